"""Our bridge before a node that misbehaves in every known way: late is allowed, lost or twice is not."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.errors import WrongShape
from bascule.domain.errors import Halted, Retryable
from bascule.services.submitter import Submitter
from bascule.services.watcher import Watcher
from tests.support.chain import local_node
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.lies import MORE_READ_LIES, MORE_SEND_LIES, READ_LIES, RECEIPTS, SEND_LIES, Fault
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.money_out import Treasury, treasury

# So many turns reach finality while the node still lies.
ROUNDS = 3
SEND_ROUNDS = 4


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


def families(quick: dict[str, list[Fault]], more: dict[str, list[Fault]]) -> pytest.MarkDecorator:
    """One test for each family of lies, told one after the other; `more` belongs to the long tests."""
    chosen = [pytest.param(lies, id=name) for name, lies in quick.items()]
    chosen += [pytest.param(lies, id=f"{name}, all", marks=pytest.mark.slow) for name, lies in more.items()]
    return pytest.mark.parametrize("lies", chosen)


async def tried(worker: Watcher | Submitter) -> None:
    """One turn; a node that cannot be used is no failure."""
    with suppress(Retryable, Halted):
        await worker.run_once()


async def fresh(b: Bridge, url: str) -> Watcher:
    """A watcher behind `url`, after all others let go."""
    for watcher in b.watchers:
        await watcher.release()
    b.watchers.clear()
    return b.watcher(url)


# ── money in ──


async def two_payments(b: Bridge) -> dict[str, Any]:
    """An intent that two payers pay in one block."""
    intent = await b.intent("10.00")
    await b.send(deposit_address(intent), "4.00", payer=1)
    await b.send(deposit_address(intent), "6.00", payer=2)
    await b.mine(2)
    return intent


async def require_counted_once(b: Bridge, *intents: dict[str, Any]) -> None:
    for intent in intents:
        shown = await b.shown(intent)
        assert (shown["status"], shown["amount_confirmed"]) == ("succeeded", "10.000000")
    units = 10_000_000 * len(intents)
    assert await b.booked() == {"custody:forwarders": units, "available:merchant": -units}
    events = await b.events()
    assert events.count("deposit.finalized") == 2 * len(intents)
    assert events.count("payment_intent.succeeded") == len(intents)
    await b.require_chain_and_rows_agree()


@families(READ_LIES, MORE_READ_LIES)
async def test_no_lie_told_to_the_watcher_loses_money_or_counts_it_twice(
    b: Bridge, lies: list[Fault]
) -> None:
    await b.settle_down(await b.started())
    told = []
    async with fault_proxy(b.node.url) as proxy:
        for lie in lies:
            watcher = await fresh(b, proxy.url)
            with proxy.lying(lie):
                told.append(await two_payments(b))
                for _ in range(ROUNDS):
                    await tried(watcher)
                    await b.mine()
            await b.finalize(watcher)
            await require_counted_once(b, *told)


async def test_load_balancer_between_a_node_and_one_behind_loses_nothing(b: Bridge) -> None:
    await b.settle_down(await b.started())
    async with fault_proxy(b.node.url) as behind, fault_proxy(b.node.url) as balanced:
        behind.set("lag", blocks=2)
        watcher = await fresh(b, balanced.url)
        with balanced.lying({"kind": "flip_flop", "upstream": behind.url}):
            intent = await two_payments(b)
            for _ in range(ROUNDS * 2):
                await tried(watcher)
                await b.mine()
        await b.finalize(watcher)

    await require_counted_once(b, intent)


async def test_blocks_of_another_fork_are_never_mixed_with_ours(db_as: OpenAs, tmp_path: Path) -> None:
    """By number the node shows the other fork's blocks, by hash its own."""
    async with bridge(db_as, data_dir=tmp_path / "chain") as b:
        await b.settle_down(await b.started())
        head = int(await b.node.rpc("eth_blockNumber"), 16)
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        async with local_node(data_dir=tmp_path / "fork") as other, fault_proxy(b.node.url) as proxy:
            assert await other.rpc("eth_blockNumber") == hex(head)
            await other.dev.chain.mine(4, (await other.dev.mine()).time + 1_000)
            watcher = await fresh(b, proxy.url)
            with proxy.lying({"kind": "other_fork", "upstream": other.url, "from_block": head + 1}):
                intent = await two_payments(b)
                for _ in range(ROUNDS):
                    await tried(watcher)
                    await b.mine()
            await b.finalize(watcher)
        await require_counted_once(b, intent)


async def test_node_that_bends_every_header_is_refused_and_halts_nothing(b: Bridge) -> None:
    """Their members do not hash to their names: a lie, and no reorg of what is final."""
    await b.settle_down(await b.started())
    intent = await two_payments(b)
    async with fault_proxy(b.node.url) as proxy:
        watcher = await fresh(b, proxy.url)
        await b.settle_down(watcher)
        with proxy.lying({"kind": "wrong_hash"}), pytest.raises(WrongShape, match="does not hash to"):
            await watcher.run_once()
        assert await watcher.run_once() == 0

    assert (await b.shown(intent))["amount_received"] == "10.000000"
    await b.require_chain_and_rows_agree()


SEVEN = "0x" + (7_000_000).to_bytes(32, "big").hex()


async def test_trailing_log_whose_bits_others_set_is_found(b: Bridge) -> None:
    """The same payer pays the same address twice in a block: the second adds nothing to the bloom."""
    await b.settle_down(await b.started())
    async with fault_proxy(b.node.url) as proxy:
        watcher = await fresh(b, proxy.url)
        intent = await b.intent("10.00")
        for _ in range(2):
            await b.send(deposit_address(intent), "5.00")
        await b.mine()
        with proxy.lying({"kind": "truncate", "methods": ["eth_getLogs"], "times": 1}):
            await tried(watcher)
        await b.finalize(watcher)
    assert (await b.shown(intent))["amount_received"] == "10.000000"


@pytest.mark.parametrize(
    ("field", "value"), [("data", SEVEN), ("transactionHash", None)], ids=["amount", "transaction"]
)
async def test_field_of_a_log_that_no_bloom_covers_is_taken_back(
    b: Bridge, field: str, value: str | None
) -> None:
    """The amount, or the transaction the log is said to be of."""
    await b.settle_down(await b.started())
    async with fault_proxy(b.node.url) as proxy:
        watcher = await fresh(b, proxy.url)
        intent = await b.intent("10.00")
        tx_hash = await b.pay(intent, "10.00")
        with proxy.lying({"kind": "bend", "field": field, "value": value, "times": 1}):
            await tried(watcher)
        await b.finalize(watcher)
    final = [(deposit["tx_hash"], deposit["amount"]) for deposit in await b.deposits("finalized")]
    assert final == [(tx_hash, "10.000000")]
    assert (await b.shown(intent))["amount_received"] == "10.000000"


# ── money out ──


async def lied_to(stage: Treasury, proxy: FaultProxy, lie: Fault) -> dict[str, Any]:
    """A payout under way while the node lies, then followed to its end by the truth."""
    payout = await stage.approved("1.00")
    submitter = await stage.submitter(url=proxy.url, holder=f"submitter-{stage.requests}")
    with proxy.lying(lie):
        for _ in range(SEND_ROUNDS):
            await tried(submitter)
            await stage.follow(1)
            stage.clock.advance(timedelta(seconds=20))
    for _ in range(3):
        await submitter.run_once()
        await stage.follow(3)
        stage.clock.advance(timedelta(seconds=20))
    await submitter.release()
    return payout


async def require_paid_once(stage: Treasury, *payouts: dict[str, Any]) -> None:
    assert [await stage.status(payout) for payout in payouts] == ["paid"] * len(payouts)
    assert len(await stage.transfers_out()) == len(payouts)
    assert [(await stage.events(payout)).count("paid") for payout in payouts] == [1] * len(payouts)
    await stage.require_truth()


@pytest.mark.slow
@families(SEND_LIES, MORE_SEND_LIES)
async def test_no_lie_told_to_the_submitter_pays_twice_or_never(stage: Treasury, lies: list[Fault]) -> None:
    async with fault_proxy(stage.node.url) as proxy:
        await require_paid_once(stage, *[await lied_to(stage, proxy, lie) for lie in lies])


async def test_receipt_that_denies_its_success_is_not_believed(stage: Treasury) -> None:
    """A batch taken for reverted would be tried again, and the vault would skip its ids: paid, not known."""
    async with fault_proxy(stage.node.url) as proxy:
        lie = {"kind": "bend", "field": "status", "value": "0x0", "methods": RECEIPTS}
        payout = await lied_to(stage, proxy, lie)
    assert len(await stage.transfers_out()) == 1
    assert await stage.status(payout) == "paid"


async def test_receipt_that_names_another_fee_is_not_booked(stage: Treasury) -> None:
    async with fault_proxy(stage.node.url) as proxy:
        payout = await lied_to(stage, proxy, {"kind": "bend", "field": "gasUsed", "methods": RECEIPTS})
    [sent] = (await stage.read(payout))["transactions"]
    receipt = await stage.node.rpc("eth_getTransactionReceipt", sent["hash"])
    true = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert await stage.rows("SELECT fee_paid FROM attempts") == [(true,)]
