"""Money out, told as stories: what people ask for leaves the vault once, and what they do not never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.domain.errors import Conflict, Halted
from bascule.domain.policy import APPROVAL_LIFE
from bascule.services.token_resuming import resume
from bascule.storage import payouts
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import FLOAT, OpenAs, Treasury, payee, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def test_two_approvals_pay_a_payout_exactly_once(stage: Treasury) -> None:
    asked = await stage.request("10.50", payee(1))
    assert (asked["status"], asked["next_action"]["type"]) == ("requires_action", "sign_approval")
    assert (await stage.approve(asked, 1))["status"] == "requires_action"
    assert (await stage.approve(asked, 2))["status"] == "pending"

    await stage.run()

    paid = await stage.read(asked)
    assert (paid["status"], paid["amount_atomic"], paid["next_action"]) == ("paid", "10500000", None)
    assert [t["status"] for t in paid["transactions"]] == ["final"]
    assert await stage.transfers_out() == [(payee(1), 10_500_000)]
    assert await stage.events(asked) == [
        "created",
        "requires_action",
        "approved",
        "in_transit",
        "updated",
        "paid",
    ]
    await stage.require_truth()


async def test_three_payouts_leave_in_one_vault_batch(stage: Treasury) -> None:
    batch = [await stage.approved(f"{n}.00", payee(n)) for n in (1, 2, 3)]

    await stage.run()

    assert [await stage.status(payout) for payout in batch] == ["paid"] * 3
    assert sorted(await stage.transfers_out()) == sorted((payee(n), n * 10**6) for n in (1, 2, 3))
    hashes = {(await stage.read(payout))["transactions"][0]["hash"] for payout in batch}
    assert len(hashes) == 1
    assert await stage.rows("SELECT next_nonce FROM wallets") == [(1,)]
    assert await stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'gas'") == [(1,)]
    await stage.require_truth()


async def test_blacklisted_payee_in_the_middle_fails_alone(stage: Treasury) -> None:
    batch = [await stage.approved("5.00", payee(n)) for n in (1, 2, 3)]
    await stage.issuer("blacklist(address)", payee(2))

    await stage.run()

    assert [await stage.status(payout) for payout in batch] == ["paid", "failed", "paid"]
    assert (await stage.read(batch[1]))["failure_code"] == "destination_frozen"
    assert {who for who, _ in await stage.transfers_out()} == {payee(1), payee(3)}
    assert (await stage.events(batch[1]))[-1] == "failed"
    await stage.require_truth()


async def test_next_batch_builds_on_the_head_of_the_last_one(stage: Treasury) -> None:
    submitter = await stage.submitter()
    for number in (1, 2, 3):
        await stage.approved("1.00", payee(number))
        await stage.run(submitter)

    assert [who for who, _ in await stage.transfers_out()] == [payee(n) for n in (1, 2, 3)]
    [(head,)] = await stage.rows("SELECT head FROM lanes")
    assert head == await stage.node.read(stage.vault, "head(uint32)", [0], "bytes32")
    await stage.require_truth()


async def test_payout_canceled_before_its_reservation_gives_its_hold_back(stage: Treasury) -> None:
    payout = await stage.approved()

    ended = await stage.cancel(payout)
    assert (ended["status"], ended["failure_code"]) == ("canceled", None)

    await stage.run()
    assert await stage.transfers_out() == []
    assert (await stage.events(payout))[-2:] == ["approved", "canceled"]
    await stage.require_truth()


async def test_payout_in_a_batch_cannot_be_canceled_by_asking(stage: Treasury) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()

    with pytest.raises(Conflict, match="in_transit"):
        await stage.cancel(payout)

    await stage.run()
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_rejected_payout_never_leaves(stage: Treasury) -> None:
    payout = await stage.approve(await stage.request(), 1)

    ended = await stage.reject(payout)
    assert (ended["status"], ended["failure_code"]) == ("canceled", "approval_rejected")

    with pytest.raises(Conflict):
        await stage.approve(payout, 2, signature="0x" + "11" * 65)
    await stage.run()
    assert await stage.transfers_out() == []
    assert (await stage.events(payout))[-1] == "rejected"
    await stage.require_truth()


async def test_expired_approvals_lapse_and_are_given_anew(stage: Treasury) -> None:
    pending, waiting = await stage.approved(), await stage.approve(await stage.request(), 1)
    stage.clock.advance(timedelta(days=4))

    await stage.run()

    assert await stage.transfers_out() == []
    assert [await stage.status(p) for p in (pending, waiting)] == ["requires_action", "canceled"]
    assert (await stage.read(waiting))["failure_code"] == "approval_expired"
    assert (await stage.read(pending))["approvals"] == []
    await stage.require_truth()
    await stage.approve(pending, 2, 3)
    await stage.run()
    assert await stage.status(pending) == "paid"
    assert len(await stage.transfers_out()) == 1
    await stage.require_truth()


async def test_reverted_batch_is_paid_later_under_the_same_vault_id(stage: Treasury) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter(bump_after=timedelta(days=1))
    await submitter.run_once()
    stage.clock.advance(timedelta(minutes=31))  # it waits in the pool until its deadline has passed

    await stage.follow(3)
    await submitter.run_once()
    again = await stage.read(payout)
    assert (again["status"], again["vault_id"]) == ("in_transit", "0")  # tried again, in a new slot
    assert [t["succeeded"] for t in again["transactions"]] == [False, None]
    assert await stage.transfers_out() == []
    await stage.require_truth()

    await stage.follow(3)
    await submitter.run_once()
    paid = await stage.read(payout)
    assert (paid["status"], paid["vault_id"]) == ("paid", "0")
    assert len(await stage.transfers_out()) == 1
    assert "updated" in await stage.events(payout)
    assert await stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'gas'") == [(2,)]
    await stage.require_truth()


@pytest.mark.parametrize(
    ("signature", "args", "reason"),
    [
        ("setLimit(address,uint96,uint32)", ("token", 1, 86_400), "rolling_limit"),
        ("setLane(uint32,address)", (0, "0x" + "00" * 20), "vault_refuses:NotOperator"),
    ],
)
async def test_vault_that_would_revert_makes_payouts_wait_with_a_reason(
    stage: Treasury, signature: str, args: tuple[object, ...], reason: str
) -> None:
    payout = await stage.approved()
    token = stage.token.contract
    await stage.vault_owner(signature, *(token if arg == "token" else arg for arg in args))

    await stage.run()

    waiting = await stage.read(payout)
    assert (waiting["status"], waiting["waits_for"]) == ("pending", reason)
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    await stage.vault_owner("setLimit(address,uint96,uint32)", token, FLOAT, 86_400)
    await stage.vault_owner("setLane(uint32,address)", 0, stage.wallet.address)
    await stage.run()
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_payouts_of_a_suspended_token_wait_with_the_reason_until_it_is_resumed(stage: Treasury) -> None:
    payout = await stage.approved()
    await stage.issuer("announceUpgrade(address)", payee(9))
    await stage.follow(1)

    await stage.run()

    waiting = await stage.read(payout)
    assert (waiting["status"], waiting["waits_for"]) == ("pending", "token_suspended:upgraded")
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    async with stage.owner.transaction() as conn:
        await resume(
            conn, stage.token.id, reason="announced", clock=stage.clock, outbox=stage.use_cases.outbox
        )
    await stage.run()
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_two_submitters_share_one_lane_without_a_double(stage: Treasury) -> None:
    first, second = await stage.submitter(holder="one"), await stage.submitter(holder="two")
    payout = await stage.approved()

    assert await first.run_once() > 0
    assert await second.run_once() == 0
    await stage.follow(3)
    assert await second.run_once() == 0
    await first.run_once()

    assert await stage.status(payout) == "paid"
    await first.release()
    another = await stage.approved("1.00")
    await stage.run(second)
    assert await stage.status(another) == "paid"
    assert await stage.rows("SELECT DISTINCT epoch FROM slots ORDER BY epoch") == [(1,), (2,)]

    await second.release()
    last = await stage.approved("2.00")
    raced = await asyncio.gather(first.run_once(), second.run_once(), return_exceptions=True)
    assert sorted(bool(done) for done in raced) == [False, True], "one has the lane"
    await stage.follow(3)
    await asyncio.gather(first.run_once(), second.run_once())
    assert await stage.status(last) == "paid"
    assert await stage.rows("SELECT nonce FROM slots ORDER BY nonce") == [(0,), (1,), (2,)]
    await stage.require_truth()


async def test_two_lanes_pay_side_by_side_and_nothing_twice(stage: Treasury) -> None:
    other = await stage.open_lane(1, 5)
    lanes = [
        await stage.submitter(holder="one", max_items=3),
        await stage.submitter(holder="two", max_items=3, lane=other),
    ]
    batch = [await stage.approved("1.00") for _ in range(8)]

    for _ in range(3):
        await asyncio.gather(*(lane.run_once() for lane in lanes))
        await stage.follow(3)

    assert {await stage.status(payout) for payout in batch} == {"paid"}
    assert len(await stage.transfers_out()) == len(batch)
    used = await stage.rows("SELECT lane, count(*) FROM slots GROUP BY lane ORDER BY lane")
    assert [lane for lane, _ in used] == [0, 1]
    await stage.require_truth()


async def test_halted_chain_pays_nothing_until_it_is_cleared(stage: Treasury) -> None:
    payout = await stage.approved()
    await stage.rows_change("UPDATE cursors SET halted_reason = 'a final block is gone'")

    with pytest.raises(Halted, match="a final block is gone"):
        await (await stage.submitter()).run_once()

    assert await stage.status(payout) == "pending"
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]


async def test_halted_chain_follows_bytes_that_are_out_and_sends_none(stage: Treasury) -> None:
    """Neither again nor for the first time; the payout is paid when the chain goes on."""
    submitter = await stage.submitter()
    payout = await stage.approved()
    await submitter.run_once()
    other = await stage.approved("1.00")
    await stage.follow(1)
    await stage.rows_change("UPDATE cursors SET halted_reason = 'a final block is gone'")
    stage.clock.advance(timedelta(seconds=61))

    for _ in range(2):
        with pytest.raises(Halted, match="a final block is gone"):
            await submitter.run_once()

    [sent] = (await stage.read(payout))["transactions"]
    assert sent["status"] == "mined"
    assert (await stage.status(payout), await stage.status(other)) == ("in_transit", "pending")
    await stage.rows_change("UPDATE cursors SET halted_reason = NULL")
    await stage.follow(3)
    await stage.run(submitter, rounds=2)
    assert (await stage.status(payout), await stage.status(other)) == ("paid", "paid")
    await stage.require_truth()


async def test_bytes_signed_before_a_halt_are_sent_after_it(stage: Treasury) -> None:
    payout = await stage.approved()
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_save"))).run_once()
    await stage.rows_change("UPDATE cursors SET halted_reason = 'a final block is gone'")
    submitter = await stage.submitter()
    with pytest.raises(Halted):
        await submitter.run_once()

    await stage.node.dev.mine(3)
    assert await stage.transfers_out() == []
    await stage.rows_change("UPDATE cursors SET halted_reason = NULL")
    await stage.run(submitter)
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_released_payout_that_is_being_canceled_leaves_no_empty_batch(stage: Treasury) -> None:
    payout = await stage.approved()
    await stage.vault_owner("setLimit(address,uint96,uint32)", stage.token.contract, 1, 86_400)
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.rows_change("UPDATE lanes SET next_sequence = 256, state = 'retired'")
    await stage.follow(3)
    await submitter.run_once()
    assert await stage.status(payout) == "pending"  # its batch reverted; it keeps an id of the first word
    await stage.vault_owner("setLimit(address,uint96,uint32)", stage.token.contract, FLOAT, 86_400)
    await stage.follow(3)
    newer = await stage.approved("1.00")
    await stage.rows_change("UPDATE lanes SET state = 'open'")

    locked = asyncio.Event()

    async def work() -> None:
        await locked.wait()
        await submitter.run_once()

    working = asyncio.create_task(work())
    async with stage.api.transaction() as conn:
        await payouts.lock(conn, payout["id"])
        locked.set()
        await working

    assert await stage.rows("SELECT count(*) FROM slots WHERE nonce > 0") == [(0,)]
    await stage.run(submitter, rounds=3)
    assert [await stage.status(p) for p in (payout, newer)] == ["paid", "paid"]
    await stage.require_truth()


async def test_batch_can_never_be_mined_after_its_approvals_are_over(stage: Treasury) -> None:
    payout = await stage.approved()
    stage.clock.advance(APPROVAL_LIFE - timedelta(minutes=10))

    await (await stage.submitter()).run_once()

    [(deadline,)] = await stage.rows("SELECT deadline FROM slots")
    assert int(deadline.timestamp()) == (await stage.read(payout))["approval_expires_at"]


async def test_payout_whose_approvals_end_too_soon_waits_for_new_ones(stage: Treasury) -> None:
    soon = await stage.approved()
    stage.clock.advance(APPROVAL_LIFE - timedelta(minutes=4))
    later = await stage.approved("1.00")

    await stage.run()
    assert [await stage.status(p) for p in (soon, later)] == ["pending", "paid"]
    assert (await stage.read(soon))["waits_for"] is None

    stage.clock.advance(timedelta(minutes=5))
    await stage.run()
    assert await stage.status(soon) == "requires_action"
    await stage.require_truth()
