"""Payouts that people approved together, each by one signature, through real signer, chain and books."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from psycopg.pq import TransactionStatus

from bascule.chain import fee_oracle
from bascule.domain.chain import checksum, parse_address
from bascule.domain.fees import Ceiling
from bascule.services import reservation
from bascule.services.pace import Pace
from bascule.services.reservation import Reservation
from bascule.storage import addresses, floats
from tests.support.chain import calldata
from tests.support.money_out import FLOAT, LIMIT, OpenAs, Treasury, treasury
from tests.support.payout_batches import batch_of

MILLION = 1_000_000


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def test_one_batch_is_spread_over_lanes_and_vault_batches_and_paid_once_each(stage: Treasury) -> None:
    ids = await batch_of(stage, [1_000_000 + n for n in range(7)])
    alone = await stage.approved("4.00")
    lanes = [await stage.submitter(max_items=3)]
    lanes.append(await stage.submitter(lane=await stage.open_lane(1, 5), holder="other", max_items=3))

    for _ in range(2):
        await asyncio.gather(*(each.run_once() for each in lanes))
        await stage.follow(3)
        await asyncio.gather(*(each.run_once() for each in lanes))
        await stage.follow(3)
        await asyncio.gather(*(each.run_once() for each in lanes))

    assert {await stage.status({"id": id}) for id in [*ids, alone["id"]]} == {"paid"}
    used = await stage.rows("SELECT lane, count(*) FROM slots WHERE kind = 'pay' GROUP BY lane ORDER BY lane")
    assert [lane for lane, _ in used] == [0, 1]
    assert len(await stage.transfers_out()) == 8
    assert await stage.rows("SELECT count(*) FROM signer.refusals") == [(0,)]
    await stage.require_truth()


async def test_payout_named_by_the_signer_leaves_the_rest_of_its_batch_alone(stage: Treasury) -> None:
    ids = await batch_of(stage, [LIMIT + 1, 2_000_000])  # the first is beyond the signer's hard limit

    await stage.run(rounds=3)

    assert [await stage.status({"id": id}) for id in ids] == ["requires_action", "paid"]
    await stage.require_truth()


async def test_batch_with_one_signature_too_few_pays_nothing(stage: Treasury) -> None:
    ids = await batch_of(stage, [1_000_000, 2_000_000], by=(1,))

    await stage.run(rounds=2)

    assert {await stage.status({"id": id}) for id in ids} == {"requires_action"}
    assert await stage.transfers_out() == []
    await stage.require_truth()


async def leave_in_the_vault(stage: Treasury, units: int) -> None:
    """The owner withdraws all but so much to the treasury's wallet, which is ours too."""
    treasury_wallet = parse_address(stage.node.accounts[2].address)
    async with stage.owner.transaction() as conn:
        await addresses.add_own(conn, stage.network.chain_id, treasury_wallet, "wallet")
    await stage.vault_owner("withdraw(address,uint256)", checksum(stage.token.contract), FLOAT - units)
    await stage.follow(3)


async def top_up(stage: Treasury, units: int) -> None:
    sent = await stage.node.transact(
        stage.node.accounts[2],
        to=checksum(stage.token.contract),
        data=calldata("transfer(address,uint256)", [stage.vault, units]),
    )
    assert sent["status"] == "0x1"
    await stage.follow(3)


async def test_payout_approved_while_the_float_is_short_waits_and_is_paid_after_the_top_up(
    stage: Treasury,
) -> None:
    await leave_in_the_vault(stage, 5 * MILLION)
    payout = await stage.approved("10.00")
    assert payout["status"] == "pending"

    await stage.run()
    assert (await stage.read(payout))["waits_for"] == "float_short"

    await top_up(stage, 5 * MILLION)
    await stage.run()
    assert await stage.status(payout) == "paid"
    assert await stage.rows("SELECT kind FROM slots") == [("pay",)]


async def test_as_many_payouts_as_the_rolling_limit_leaves_are_paid_and_the_others_wait_in_order(
    stage: Treasury,
) -> None:
    limit = "setLimit(address,uint96,uint32)"
    ids = await batch_of(stage, [20 * MILLION, 20 * MILLION, 5 * MILLION])
    await stage.vault_owner(limit, stage.token.contract, 30 * MILLION, 86_400)

    await stage.run(rounds=2)

    states = dict(await stage.rows("SELECT id, coalesce(waits_for, state) FROM payouts"))
    assert states == {ids[0]: "paid", ids[1]: "rolling_limit", ids[2]: "rolling_limit"}
    await stage.vault_owner(limit, stage.token.contract, 45 * MILLION, 86_400)
    await stage.run()
    assert await stage.rows("SELECT DISTINCT state FROM payouts") == [("paid",)]
    assert await stage.rows("SELECT count(*) FROM slots") == [(2,)], "nothing reverted on the way"
    await stage.require_truth()


async def test_lanes_do_not_spend_the_same_float_twice(stage: Treasury) -> None:
    await leave_in_the_vault(stage, 50 * MILLION)
    ids = await batch_of(stage, [20 * MILLION, 20 * MILLION, 20 * MILLION])
    first = await stage.submitter(max_items=2)
    second = await stage.submitter(lane=await stage.open_lane(1, 5), holder="other", max_items=2)

    await asyncio.gather(first.run_once(), second.run_once())

    assert await stage.rows("SELECT sum(total) FROM slots WHERE kind = 'pay'") == [(40 * MILLION,)]
    left = await stage.rows("SELECT id, waits_for FROM payouts WHERE state = 'pending'")
    assert left == [(ids[2], "float_short")]


async def test_lane_that_counted_on_float_which_another_lane_took_starts_over_and_waits(
    stage: Treasury, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There seemed to be plenty for both when each looked; the count at the end is one lane's at a time."""
    await leave_in_the_vault(stage, 30 * MILLION)
    ids = await batch_of(stage, [20 * MILLION, 20 * MILLION])
    first = await stage.submitter(max_items=1)
    second = await stage.submitter(lane=await stage.open_lane(1, 5), holder="other", max_items=1)

    both, count = asyncio.Barrier(2), Reservation._require_counted

    async def count_once_both_took(*args: Any) -> None:
        await asyncio.wait_for(both.wait(), 30)
        await count(*args)

    monkeypatch.setattr(reservation, "_plenty", lambda *_: True)
    monkeypatch.setattr(Reservation, "_require_counted", count_once_both_took)
    await asyncio.gather(first.run_once(), second.run_once())

    assert await stage.rows("SELECT sum(total) FROM slots WHERE kind = 'pay'") == [(20 * MILLION,)]
    [(left, why)] = await stage.rows("SELECT id, waits_for FROM payouts WHERE state = 'pending'")
    assert left in ids
    assert why == "float_short"
    await stage.require_truth()


async def test_lane_that_counts_the_float_while_another_lane_is_paid_gives_nothing_twice(
    stage: Treasury, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other batch becomes final just after float and what is being paid of it are counted, as one."""
    await leave_in_the_vault(stage, 30 * MILLION)
    second = await stage.submitter(lane=await stage.open_lane(1, 5), holder="other")
    first = await stage.submitter()
    await stage.approved("20.00")
    await first.run_once()
    await stage.follow(3)
    waiting = await stage.approved("20.00")
    await stage.rows_change("UPDATE lanes SET state = 'retired' WHERE lane = 0")  # so it takes none of it
    ended: list[int] = []  # how much the other lane did meanwhile

    def interleaved(read: Any) -> Any:
        async def read_and_end_the_other(conn: Any, *args: Any, **named: Any) -> Any:
            found = await read(conn, *args, **named)
            if not ended and conn.info.transaction_status == TransactionStatus.INTRANS:
                ended.append(0)  # in a context of its own, as another process
                ended[0] = await asyncio.create_task(first.run_once(), context=contextvars.Context())
            return found

        return read_and_end_the_other

    monkeypatch.setattr(floats, "count", interleaved(floats.count))
    await second.run_once()

    assert ended[0] > 0
    assert await stage.rows("SELECT state, sum(total) FROM slots GROUP BY 1") == [("final", 20 * MILLION)]
    assert await stage.status(waiting) == "pending"
    await stage.require_truth()


async def test_lane_that_waits_for_its_node_keeps_no_other_lane_from_paying(
    stage: Treasury, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are of one process, where one lane at a time may choose, and one may take."""
    pace = Pace(asyncio.Semaphore(1), asyncio.Semaphore(1))
    slow = await stage.submitter(max_items=1, pace=pace)
    quick = await stage.submitter(lane=await stage.open_lane(1, 5), holder="other", max_items=1, pace=pace)
    both = [await stage.approved("1.00") for _ in range(2)]
    asked, answered, priced = asyncio.Event(), asyncio.Event(), fee_oracle.offer

    async def slowly(*args: Any, **named: Any) -> Any:
        if not asked.is_set():
            asked.set()
            await answered.wait()
        return await priced(*args, **named)

    monkeypatch.setattr(fee_oracle, "offer", slowly)
    waits = asyncio.create_task(slow.run_once())
    await asyncio.wait_for(asked.wait(), 30)
    await asyncio.wait_for(quick.run_once(), 30)

    assert await stage.rows("SELECT lane, count(*) FROM slots GROUP BY lane") == [(1, 1)]
    answered.set()
    await waits
    await stage.follow(3)
    await asyncio.gather(slow.run_once(), quick.run_once())
    assert [await stage.status(payout) for payout in both] == ["paid", "paid"]
    await stage.require_truth()


async def test_payouts_approved_while_gas_is_priced_do_not_take_the_batch_above_its_ceiling(
    stage: Treasury, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.approved("1.00")
    ceiling = Ceiling(per_gas=500 * 10**9, cost=400_000 * 10**9)
    submitter = await stage.submitter(ceiling=ceiling)
    priced = fee_oracle.offer

    async def slowly(*args: Any, **named: Any) -> Any:
        if not late:
            late.extend([await stage.approved("1.00") for _ in range(3)])
        return await priced(*args, **named)

    late: list[dict[str, Any]] = []
    monkeypatch.setattr(fee_oracle, "offer", slowly)
    await submitter.run_once()

    [(most, items)] = await stage.rows(
        "SELECT max_fee_per_gas * gas, (SELECT count(*) FROM slot_items) FROM slots"
    )
    assert most <= ceiling.cost
    assert items >= 1
    await stage.run(submitter, rounds=2)
    assert {await stage.status(payout) for payout in late} == {"paid"}
    await stage.require_truth()
