"""Money out, called off on its way: the chain's order decides between the batch and the cancel, for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain import stops
from bascule.domain.chain import parse_address
from bascule.entrypoints.explaining import explain
from bascule.services.lane_recovery import LaneRecovery
from bascule.services.submitter import Submitter
from bascule.storage import cancels, signer_stops
from tests.support.cases import long_after
from tests.support.chain import calldata
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, Treasury, payee, treasury
from tests.support.nodes import no_guard
from tests.support.payout_batches import batch_of


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        await built.open_canceller()
        yield built


async def sent(stage: Treasury, lane: Submitter, payout: dict[str, Any]) -> str:
    """The payout's batch waits in the pool; returns its hash."""
    await lane.run_once()
    [waiting] = (await stage.read(payout))["transactions"]
    return str(waiting["hash"])


async def require_canceled(stage: Treasury, payout: dict[str, Any]) -> None:
    found = await stage.read(payout)
    assert (found["status"], found["cancellation"]["status"]) == ("canceled", "canceled")
    assert not found["stuck"]
    assert (await stage.events(payout)).count("canceled") == 1
    assert payout["to"] not in [to for to, _ in await stage.transfers_out()]
    used = await stage.node.read(stage.vault, "used(uint256)", [int(found["vault_id"])], "bool")
    assert used or not await stage.rows("SELECT 1 FROM slots WHERE kind = 'service'")
    await stage.require_truth()


async def test_cancel_that_is_mined_first_ends_the_payout_and_the_batch_skips_it(stage: Treasury) -> None:
    off, other = await stage.approved("5.00", payee(1)), await stage.approved("6.00", payee(2))
    lane, canceller = await stage.submitter(), await stage.submitter(holder="c", lane="canceller")
    await stage.node.rpc("bascule_dropTransaction", await sent(stage, lane, off))

    asked = await stage.cancel(off)
    assert (asked["status"], asked["cancellation"]["status"]) == ("in_transit", "open")
    await canceller.run_once()
    await stage.follow(1)
    await canceller.run_once()
    assert await stage.status(off) == "in_transit"  # mined, not final
    await stage.follow(2)
    await canceller.run_once()
    await require_canceled(stage, off)

    stage.clock.advance(timedelta(seconds=16))
    await stage.run(lane)
    assert await stage.status(other) == "paid"
    outcomes = dict(await stage.rows("SELECT payout_id, outcome FROM slot_items"))
    assert outcomes == {off["id"]: "skipped", other["id"]: "paid"}
    await require_canceled(stage, off)


async def test_batch_that_is_mined_first_pays_and_the_cancel_came_too_late(stage: Treasury) -> None:
    payout = await stage.approved()
    lane, canceller = await stage.submitter(), await stage.submitter(holder="c", lane="canceller")
    await lane.run_once()
    await stage.cancel(payout)
    await stage.node.dev.mine()
    await canceller.run_once()

    await stage.follow(3)
    await canceller.run_once()
    late = await stage.read(payout)
    assert (late["status"], late["cancellation"]["status"]) == ("in_transit", "too_late")
    await stage.run(lane)
    paid = await stage.read(payout)
    assert (paid["status"], paid["cancellation"]["status"], paid["stuck"]) == ("paid", "too_late", False)
    await stage.require_truth()


async def test_payout_that_was_paid_before_anybody_told_the_vault_costs_no_nonce(stage: Treasury) -> None:
    payout = await stage.approved()
    lane, canceller = await stage.submitter(), await stage.submitter(holder="c", lane="canceller")
    await lane.run_once()
    await stage.cancel(payout)
    await stage.run(lane)
    await canceller.run_once()

    paid = await stage.read(payout)
    assert (paid["status"], paid["cancellation"]["status"]) == ("paid", "too_late")
    assert await stage.rows("SELECT count(*) FROM slots WHERE kind = 'service'") == [(0,)]


async def test_reverted_batch_is_not_tried_again_for_a_payout_that_was_called_off(stage: Treasury) -> None:
    off, other = await stage.approved("5.00", payee(1)), await stage.approved("6.00", payee(2))
    lane = await stage.submitter(bump_after=timedelta(days=1))
    await lane.run_once()
    await stage.cancel(off)
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.run(lane, rounds=2)

    await require_canceled(stage, off)
    assert await stage.status(other) == "paid"


async def test_payout_called_off_before_its_batch_was_signed_stays_so_when_the_signer_names_it(
    stage: Treasury,
) -> None:
    ids = await batch_of(stage, [1_000_000, 2_000_000])
    off, other = [await stage.read({"id": id}) for id in ids]
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_reserve"))).run_once()
    async with stage.owner.transaction() as conn:  # after the reservation, so that the signer names it
        denied = stops.destination(parse_address(off["to"]))
        await signer_stops.set(conn, denied, stopped=True, reason="a drill")
    await stage.cancel(off)
    await stage.run(await stage.submitter(holder="c", lane="canceller"))
    await require_canceled(stage, off)

    await stage.run(rounds=3)
    assert await stage.rows("SELECT DISTINCT code FROM signer.refusals") == [("items_refused",)]
    assert await stage.status(other) == "paid"
    await require_canceled(stage, off)


async def test_asking_twice_changes_nothing(stage: Treasury) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()
    first = await stage.cancel(payout)

    assert await stage.cancel(payout) == first
    assert (await stage.events(payout)).count("updated") == 1


@pytest.mark.parametrize(
    "name",
    long_after(
        1,
        [
            "submitter.after_send",
            "submitter.before_final_commit",
            "canceller.after_reserve",
            "submitter.after_sign",
            "submitter.after_save",
            "submitter.after_final_commit",
        ],
    ),
)
async def test_crashed_canceller_ends_the_payout_once_after_it_returns(stage: Treasury, name: str) -> None:
    payout = await stage.approved()
    lane = await stage.submitter()
    await stage.node.rpc("bascule_dropTransaction", await sent(stage, lane, payout))
    await stage.cancel(payout)
    dying = await stage.submitter(holder="c", lane="canceller", failpoints=Crashing(name))
    with pytest.raises(Crash):
        await stage.run(dying)

    await stage.run(await stage.submitter(holder="c", lane="canceller"), rounds=2)
    await require_canceled(stage, payout)
    assert await stage.rows(
        "SELECT count(*) FROM attempts WHERE wallet NOT IN (SELECT wallet FROM lanes)"
    ) == [(1,)]


async def test_cancel_in_a_block_that_is_replaced_is_mined_again_or_too_late(stage: Treasury) -> None:
    """The reorganisation puts the batch before the cancel that had been mined alone."""
    payout = await stage.approved()
    lane, canceller = await stage.submitter(), await stage.submitter(holder="c", lane="canceller")
    await stage.node.rpc("bascule_dropTransaction", await sent(stage, lane, payout))
    await stage.cancel(payout)
    await canceller.run_once()
    await stage.follow(1)
    await canceller.run_once()
    [(cancel,)] = await stage.rows("SELECT tx_hash FROM attempts WHERE state = 'mined'")
    await stage.node.dev.reorg(1, drop=["0x" + cancel.hex()])
    await stage.follow()
    stage.clock.advance(timedelta(seconds=16))
    await lane.run_once()
    await stage.follow(1)
    await canceller.run_once()
    await stage.follow(3)
    await canceller.run_once()
    await stage.run(lane)

    paid = await stage.read(payout)
    assert (paid["status"], paid["cancellation"]["status"]) == ("paid", "too_late")
    await stage.require_truth()


async def test_request_of_another_chain_calls_nothing_off(stage: Treasury) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()
    other = """
        INSERT INTO networks SELECT (jsonb_populate_record(n, '{"chain_id": 31338, "name": "other"}')).*
          FROM networks AS n"""
    async with stage.owner.transaction() as conn:
        await conn.execute(other)

    async with stage.api.transaction() as conn:  # as somebody would who has only the API's login
        at = stage.clock.now()
        await cancels.request(conn, payout["id"], chain_id=31_338, requested_by="key_1", at=at)

    async with stage.owner.read() as conn:  # the vaults of two chains may have one address, and the same ids
        assert await cancels.waiting(conn, 31_338, 256) == []


async def test_payout_whose_id_a_stranger_used_is_stuck_and_explained_with_what_to_look_at(
    stage: Treasury,
) -> None:
    payout, lane = await stage.approved(), await stage.submitter()
    await stage.node.rpc("bascule_dropTransaction", await sent(stage, lane, payout))
    vault_id = int((await stage.read(payout))["vault_id"])
    data = calldata("cancel(uint256[])", [[vault_id]])
    by_hand = await stage.node.transact(stage.node.accounts[4], to=stage.vault, data=data)
    assert by_hand["status"] == "0x1"
    stage.clock.advance(timedelta(seconds=16))
    await stage.run(lane)

    found = await stage.read(payout)
    assert (found["status"], found["stuck"]) == ("in_transit", True)
    assert await stage.transfers_out() == []
    async with stage.owner.read() as conn:
        told = await explain(conn, payout["id"])
    assert f"vault id {vault_id} was used before" in told["next"]
    assert f"PayoutCanceled of vault {stage.vault}, then `bascule explain`" in told["next"]

    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)  # `bascule restore check`
    [open_lane] = await work.every()
    assert [await work.take_over_canceled(rpc, open_lane, 0) for _ in range(2)] == [1, 0]
    ended = await stage.read(payout)
    assert (ended["status"], ended["stuck"]) == ("canceled", False)
    assert ended["evidence"]["ground"] == "canceled_at_vault"
    await stage.require_truth(strangers=1)
