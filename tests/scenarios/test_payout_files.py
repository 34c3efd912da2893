"""A treasury's file, from its lines to the chain: paid once each, and the batch says how it ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import pytest

from bascule.chain.evidence_check import check
from bascule.domain import payout_file
from bascule.domain.chain import caip2, parse_address
from bascule.domain.errors import Conflict, Rejected
from bascule.domain.policy import APPROVAL_LIFE, Tier
from bascule.services.batch_view import describe_batch
from bascule.services.payout_batches import BatchRequest, PayoutBatches
from bascule.services.payout_evidence import evidence_of
from bascule.services.payouts import own
from bascule.storage import payout_batches
from bascule.storage.database import Connection
from tests.support.money_out import OpenAs, Treasury, approver, payee, sign_typed, treasury
from tests.support.money_out_setup import LIMIT, set_policy
from tests.support.waiting import somebody_waits


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def send(stage: Treasury, *lines: tuple[str, str]) -> dict[str, Any]:
    """A batch of (amount, payee) lines, as the API makes it."""
    async with stage.api.transaction() as conn:
        return await make(stage, conn, "file-1", *lines)


async def make(stage: Treasury, conn: Connection, key: str, *lines: tuple[str, str]) -> dict[str, Any]:
    network = caip2(stage.network.chain_id)
    text = "network,currency,amount,to\n" + "".join(f"{network},usdt,{a},{to}\n" for a, to in lines)
    request = BatchRequest(payout_file.read(text), "all_or_nothing", key, "key_test")
    return await use_cases(stage).request(conn, account_id=stage.operator, livemode=False, request=request)


async def approve(stage: Treasury, batch: dict[str, Any], *people: int) -> dict[str, Any]:
    for number in people:
        person, now = approver(number), await read(stage, batch)
        async with stage.api.transaction() as conn:
            batch = await use_cases(stage).approve(
                conn,
                account_id=stage.operator,
                livemode=False,
                batch_id=batch["id"],
                approver=person.address,
                signature=sign_typed(person, now["next_action"]["typed_data"]),
            )
    return batch


async def read(stage: Treasury, batch: dict[str, Any]) -> dict[str, Any]:
    async with stage.api.read() as conn:
        row = await payout_batches.get(conn, batch["id"])
        assert row is not None
        return await describe_batch(conn, row)


def use_cases(stage: Treasury) -> PayoutBatches:
    return PayoutBatches(stage.clock, stage.use_cases.entropy, stage.use_cases.outbox)


async def test_a_file_that_two_people_approved_is_paid_once_each(stage: Treasury) -> None:
    batch = await send(stage, *((f"{n}.00", payee(n)) for n in range(1, 6)))
    await approve(stage, batch, 1, 2)

    await stage.run()

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["paid"]) == ("completed", 5)
    assert sorted(await stage.transfers_out()) == sorted((payee(n), n * 10**6) for n in range(1, 6))
    told = await stage.rows("SELECT type FROM outbox WHERE object_id = %s ORDER BY id", batch["id"])
    assert [type for (type,) in told] == [
        "payout_batch.validated", "payout_batch.approved", "payout_batch.completed",
    ]  # fmt: skip
    await stage.require_truth()


async def test_a_payee_the_token_refuses_leaves_the_others_paid(stage: Treasury) -> None:
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)), ("3.00", payee(3)))
    await approve(stage, batch, 1, 3)
    await stage.issuer("blacklist(address)", payee(2))

    await stage.run()

    ended = await read(stage, batch)
    assert ended["status"] == "completed_with_failures"
    assert (ended["progress"]["paid"], ended["progress"]["failed"]) == (2, 1)
    assert len(await stage.transfers_out()) == 2
    await stage.require_truth()


async def test_approvals_that_ended_with_part_of_a_file_paid_are_renewed_by_one_signature_each(
    stage: Treasury,
) -> None:
    batch = await send(stage, *((f"{n}.00", payee(n)) for n in range(1, 4)))
    await approve(stage, batch, 1, 2)
    lane = await stage.submitter(max_items=1)
    await lane.run_once()  # one is on its way, the others wait behind it
    await stage.follow(3)
    stage.clock.advance(APPROVAL_LIFE + timedelta(seconds=1))
    assert (await read(stage, batch))["next_action"] is None, "nobody signs before all are asked about anew"
    await lane.run_once()

    asked = await read(stage, batch)
    assert (asked["status"], asked["approvals"]) == ("processing", [])
    assert asked["progress"]["requires_action"] == 2
    assert asked["next_action"]["approvals_missing"] == 2
    held: LiteralString = "SELECT coalesce(sum(held_debit), 0) FROM ledger.balances"
    assert await stage.rows(held) == [(0,)]
    renewed = await approve(stage, batch, 2, 3)
    assert (renewed["status"], renewed["next_action"]) == ("processing", None)
    await stage.run(lane, rounds=3)

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["paid"]) == ("completed", 3)
    assert sorted(await stage.transfers_out()) == sorted((payee(n), n * 10**6) for n in range(1, 4))
    for (payout_id,) in await stage.rows("SELECT id FROM payouts"):
        async with stage.api.read() as conn:
            proof = await evidence_of(conn, await own(conn, payout_id, stage.operator, False))
        assert [each.says for each in check(json.dumps(proof).encode()) if not each.ok] == []
        assert len(proof["decision"]["approvals"]) == 2
    await stage.require_truth()


async def test_a_file_is_not_renewed_by_fewer_people_than_policy_asks_for_its_sum_by_now(
    stage: Treasury,
) -> None:
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)))
    await approve(stage, batch, 1, 2)
    async with stage.owner.transaction() as conn:
        tiers = (Tier(0, 2), Tier(25 * 10**17, 3))
        limits = {"max_per_payout": LIMIT, "max_per_day": LIMIT}
        await set_policy(conn, stage.operator, stage.token, approvals=tiers, **limits)
    stage.clock.advance(APPROVAL_LIFE + timedelta(seconds=1))
    lane = await stage.submitter()
    await lane.run_once()

    asked = await read(stage, batch)
    assert (asked["approvals_required"], asked["next_action"]["approvals_missing"]) == (3, 3)
    assert asked["policy_decision"]["reasons"] == ["Policy changed: 3 people must approve, not 2 as before."]
    turn = {"actor": "approvers", "approvers": asked["next_action"]["approvers"], "approvals_missing": 3}
    assert asked["policy_decision"]["acts_next"] == turn
    assert (await approve(stage, batch, 1, 2))["progress"]["requires_action"] == 2
    await stage.run(lane)
    assert await stage.transfers_out() == [], "two people may not renew it"
    await approve(stage, batch, 3)
    await stage.run(lane)
    assert (await read(stage, batch))["status"] == "completed"
    assert sorted(await stage.transfers_out()) == [(payee(1), 10**6), (payee(2), 2 * 10**6)]
    await stage.require_truth()


async def test_a_stricter_policy_asks_more_people_for_a_file_that_still_waits(stage: Treasury) -> None:
    """What one person signed is void, the batch says how many must sign now, and what is denied now ends."""
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)), ("3.00", payee(3)))
    await approve(stage, batch, 1)
    async with stage.owner.transaction() as conn:
        denied = frozenset({parse_address(payee(3))})
        limits = {"max_per_payout": LIMIT, "max_per_day": LIMIT, "denylist": denied}
        await set_policy(conn, stage.operator, stage.token, approvals=(Tier(0, 3),), **limits)
    with pytest.raises(Conflict) as early:
        await approve(stage, batch, 2)
    assert early.value.code == "batch_out_of_date"
    lane = await stage.submitter()
    await lane.run_once()

    asked = await read(stage, batch)
    assert (asked["status"], asked["approvals"], asked["approvals_required"]) == ("requires_action", [], 3)
    assert asked["progress"]["canceled"] == 1
    assert (await approve(stage, batch, 1, 2))["status"] == "requires_action"
    assert (await approve(stage, batch, 3))["status"] == "processing"
    await stage.run(lane)
    assert (await read(stage, batch))["status"] == "completed_with_failures"
    assert sorted(await stage.transfers_out()) == [(payee(1), 10**6), (payee(2), 2 * 10**6)]
    await stage.require_truth()


async def test_a_batch_nobody_approves_in_time_ends_and_holds_nothing(stage: Treasury) -> None:
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)))
    await approve(stage, batch, 1)
    stage.clock.advance(APPROVAL_LIFE + timedelta(seconds=1))

    await stage.run()

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["canceled"]) == ("canceled", 2)
    assert await stage.transfers_out() == []
    await stage.require_truth()


async def test_a_batch_whose_payouts_were_approved_one_by_one_does_not_say_it_was_canceled(
    stage: Treasury,
) -> None:
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)))
    for (payout_id,) in await stage.rows("SELECT id FROM payouts ORDER BY id"):
        await stage.approve(await stage.read({"id": payout_id}))

    await stage.run()

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["paid"]) == ("completed", 2)
    await stage.require_truth()


async def test_a_batch_called_off_while_a_payout_of_it_is_on_its_way_ends_when_that_one_does(
    stage: Treasury,
) -> None:
    batch = await send(stage, ("1.00", payee(1)), ("2.00", payee(2)))
    [(first,), _] = await stage.rows("SELECT id FROM payouts ORDER BY id")
    await stage.approve(await stage.read({"id": first}))

    async with stage.api.transaction() as conn:
        left = await use_cases(stage).cancel(
            conn, account_id=stage.operator, livemode=False, batch_id=batch["id"]
        )
    assert (left["status"], left["progress"]["canceled"]) == ("processing", 1)
    await stage.run()

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["paid"]) == ("completed_with_failures", 1)
    await stage.require_truth()


async def test_one_file_sent_twice_at_once_under_two_keys_is_asked_for_once(stage: Treasury) -> None:
    async def again() -> None:
        async with stage.api.transaction() as conn:
            await make(stage, conn, "file-2", ("7.00", payee(1)))

    async with stage.api.transaction() as conn:
        await make(stage, conn, "file-1", ("7.00", payee(1)))
        second = asyncio.create_task(again(), context=Context())
        await somebody_waits(conn)

    with pytest.raises(Rejected, match="paid the same in the last 24 hours"):
        await second
    assert await stage.rows("SELECT count(*) FROM payouts") == [(1,)]
