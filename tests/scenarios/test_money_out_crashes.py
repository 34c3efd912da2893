"""Money out, interrupted: whatever dies, lies or is taken back, a payout has at most one Transfer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Retryable
from bascule.storage import signer_limits, signer_wallets
from bascule.storage.signer_limits import HardLimits
from tests.support.cases import long_after
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import fault_proxy
from tests.support.money_out import LIMIT, OpenAs, Treasury, payee, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def require_paid_once(stage: Treasury, *batch: dict[str, object]) -> None:
    assert [await stage.status(payout) for payout in batch] == ["paid"] * len(batch)
    assert len(await stage.transfers_out()) == len(batch)
    assert await stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'payout'") == [(len(batch),)]
    for payout in batch:
        assert (await stage.events(payout)).count("paid") == 1
    await stage.require_truth()


@pytest.mark.parametrize(
    "name",
    long_after(
        2,
        [
            "submitter.after_send",
            "submitter.before_final_commit",
            "submitter.after_reserve",
            "submitter.after_sign",
            "submitter.after_save",
            "submitter.after_final_commit",
        ],
    ),
)
async def test_crashed_submitter_leaves_one_transfer_after_it_returns(stage: Treasury, name: str) -> None:
    batch = [await stage.approved("1.00", payee(n)) for n in (1, 2)]
    dying = await stage.submitter(failpoints=Crashing(name))

    with pytest.raises(Crash):
        await stage.run(dying)
    await stage.require_truth()

    await stage.run(rounds=2)
    await require_paid_once(stage, *batch)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]
    assert await stage.rows("SELECT count(*) FROM signer.signatures") == [(1,)]


@pytest.mark.parametrize(
    "name",
    long_after(1, ["signer.before_bytes_commit", "signer.after_intent_commit", "signer.after_bytes_commit"]),
)
async def test_crashed_signer_gives_the_same_bytes_when_asked_again(stage: Treasury, name: str) -> None:
    payout = await stage.approved()
    await stage.start_signer(Crashing(name))
    submitter = await stage.submitter()

    with pytest.raises(Retryable, match="does not answer"):
        await submitter.run_once()
    assert await stage.rows("SELECT count(*) FROM attempts") == [(0,)]
    await stage.start_signer()

    await stage.run(submitter)
    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT count(*) FROM signer.signatures") == [(1,)]


async def test_signer_that_is_down_only_delays_a_payout(stage: Treasury) -> None:
    payout = await stage.approved()
    assert stage.server is not None
    await stage.server.close()
    submitter = await stage.submitter()

    with pytest.raises(Retryable, match="does not answer"):
        await submitter.run_once()

    await stage.start_signer()
    await stage.run(submitter)
    await require_paid_once(stage, payout)


SEND = ["eth_sendRawTransaction"]


async def test_send_that_times_out_though_the_node_accepted_pays_once(stage: Treasury) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        with proxy.lying({"kind": "drop", "methods": SEND, "forwarded": True}):
            await stage.run(await stage.submitter(url=proxy.url))

    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT count(*) FROM attempts") == [(1,)]


@pytest.mark.parametrize(
    "words",
    long_after(
        1, ["nonce too low", "replacement transaction underpriced", "insufficient funds for gas", "kaputt"]
    ),
)
async def test_no_word_of_a_node_moves_a_nonce_or_a_payout(stage: Treasury, words: str) -> None:
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        with proxy.lying({"kind": "error", "message": words, "methods": SEND, "forwarded": True}):
            await stage.run(await stage.submitter(url=proxy.url))

    await require_paid_once(stage, payout)
    assert await stage.rows("SELECT next_nonce FROM wallets") == [(1,)]


@pytest.mark.parametrize("depth", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_orphaned_batch_goes_out_again_as_the_same_bytes(stage: Treasury, depth: int) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.follow(depth)
    await submitter.run_once()
    [mined] = (await stage.read(payout))["transactions"]
    assert mined["status"] == "mined"

    await stage.node.dev.reorg(depth, drop=[mined["hash"]])
    await stage.follow()
    assert await stage.transfers_out() == []
    await submitter.run_once()
    [reopened] = (await stage.read(payout))["transactions"]
    assert (reopened["hash"], reopened["status"]) == (mined["hash"], "offered")

    await stage.follow(3)
    await submitter.run_once()
    [final] = (await stage.read(payout))["transactions"]
    assert (final["hash"], final["status"]) == (mined["hash"], "final")
    await require_paid_once(stage, payout)


async def test_mined_batch_is_not_paid_before_it_is_final(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()

    await stage.follow(1)
    await submitter.run_once()
    assert (await stage.status(payout), len(await stage.transfers_out())) == ("in_transit", 1)

    await stage.follow(2)
    await submitter.run_once()
    await require_paid_once(stage, payout)


async def test_receipt_that_the_node_hides_for_a_minute_is_never_a_verdict(stage: Treasury) -> None:
    """The wallet's count has gone on meanwhile; whatever is offered again is of the same nonce."""
    payout = await stage.approved()
    async with fault_proxy(stage.node.url) as proxy:
        submitter = await stage.submitter(url=proxy.url)
        await submitter.run_once()
        [sent] = (await stage.read(payout))["transactions"]
        with proxy.lying({"kind": "null", "methods": ["eth_getTransactionReceipt"]}):
            await stage.follow(3)
            for _ in range(6):
                stage.clock.advance(timedelta(seconds=11))
                await submitter.run_once()
                assert await stage.status(payout) == "in_transit"
                assert await stage.rows("SELECT nonce, state FROM slots") == [(0, "broadcast")]
        assert await stage.rows("SELECT next_nonce FROM wallets") == [(1,)]

        await submitter.run_once()

    mined = [each["hash"] for each in (await stage.read(payout))["transactions"] if each["status"] == "final"]
    assert mined == [sent["hash"]]
    assert not (await stage.read(payout))["stuck"]
    await require_paid_once(stage, payout)


async def test_bytes_that_a_node_took_and_dropped_are_sent_again_as_they_are(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    [sent] = (await stage.read(payout))["transactions"]
    await stage.node.rpc("bascule_dropTransaction", sent["hash"])
    await stage.follow(3)
    await submitter.run_once()
    assert await stage.transfers_out() == []

    stage.clock.advance(timedelta(seconds=16))
    await submitter.run_once()
    assert await stage.rows("SELECT says, times, accepted FROM offers") == [("accepted", 2, 2)]
    await stage.run(submitter)
    await require_paid_once(stage, payout)
    [mined] = (await stage.read(payout))["transactions"]
    assert mined["hash"] == sent["hash"]
    assert await stage.rows("SELECT count(*) FROM signer.signatures") == [(1,)]


@pytest.mark.parametrize("name", ["submitter.after_bump", "submitter.after_save", "submitter.after_send"])
async def test_crash_around_a_bump_leaves_one_transfer_and_both_hashes_known(
    stage: Treasury, name: str
) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()
    stage.clock.advance(timedelta(seconds=61))
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing(name))).run_once()
    stored: LiteralString = "SELECT tx_hash, raw FROM attempts ORDER BY max_fee_per_gas"
    kept = await stage.rows(stored)
    assert len(kept) == (1 if name == "submitter.after_bump" else 2)

    await stage.run(rounds=2)
    await require_paid_once(stage, payout)
    dearer, cheaper = (await stage.read(payout))["transactions"]
    assert (cheaper["status"], dearer["status"]) == ("superseded", "final")
    assert (await stage.events(payout))[4:] == ["replaced", "updated", "paid"]
    assert (await stage.rows(stored))[: len(kept)] == kept
    signed: LiteralString = "SELECT raw FROM signer.signatures ORDER BY max_fee_per_gas"
    assert await stage.rows(signed) == [(raw,) for _, raw in await stage.rows(stored)]


async def cap_fees(stage: Treasury, cap: int) -> None:
    """The signer's own limit, in wei per gas."""
    vault, token = parse_address(stage.vault), Address(stage.token.contract)
    async with stage.owner.transaction() as conn:
        limits = HardLimits(LIMIT, 5 * LIMIT, cap, 16_000_000)
        await signer_limits.set(conn, stage.node.dev.chain_id, vault=vault, token=token, limits=limits)


async def test_batch_reserved_in_a_fee_peak_is_paid_when_it_is_over(stage: Treasury) -> None:
    payout = await stage.approved()
    await cap_fees(stage, 1_200_000_000)  # below what gas costs at the reservation
    submitter = await stage.submitter()
    with pytest.raises(Retryable, match="cap"):
        await submitter.run_once()
    [(asked,)] = await stage.rows("SELECT max_fee_per_gas FROM slots WHERE state = 'reserved'")
    assert asked > 1_200_000_000

    await stage.follow(20)  # empty blocks: the base fee falls
    with pytest.raises(Retryable, match="cap"):
        await submitter.run_once()

    await stage.run(submitter)
    await require_paid_once(stage, payout)


@pytest.mark.parametrize("why", ["refuses", "is down"])
async def test_bytes_go_out_again_though_the_signer_does_not_bump_them(stage: Treasury, why: str) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    [sent] = (await stage.read(payout))["transactions"]
    if why == "refuses":
        await cap_fees(stage, int(sent["fees"]["max_fee_per_gas"]))
    elif stage.server is not None:
        await stage.server.close()
    await stage.node.dev.reorg(1, drop=[sent["hash"]])  # the node has forgotten them
    stage.clock.advance(timedelta(seconds=61))

    with pytest.raises(Retryable, match="the signer"):
        await submitter.run_once()

    await stage.follow(3)
    await submitter.run_once()
    await require_paid_once(stage, payout)


async def test_kill_switch_pushes_forgotten_bytes_no_more(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    [sent] = (await stage.read(payout))["transactions"]
    wallet, chain_id = parse_address(stage.wallet.address), stage.node.dev.chain_id
    async with stage.owner.transaction() as conn:
        await signer_wallets.freeze(conn, chain_id, wallet, frozen=True)
    await stage.node.dev.reorg(1, drop=[sent["hash"]])
    stage.clock.advance(timedelta(seconds=61))

    with pytest.raises(Retryable, match="kill switch"):
        await submitter.run_once()
    await stage.follow(3)
    assert await stage.transfers_out() == []

    async with stage.owner.transaction() as conn:
        await signer_wallets.freeze(conn, chain_id, wallet, frozen=False)
    await stage.run(submitter)
    await require_paid_once(stage, payout)
