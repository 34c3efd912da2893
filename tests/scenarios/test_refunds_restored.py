"""Refunds after a backup was put back: what the vault gave back stays given, though no row says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.services.lane_recovery import LaneRecovery
from tests.support.backups import Backups
from tests.support.chain import calldata
from tests.support.money_out import Treasury, payee
from tests.support.nodes import no_guard
from tests.support.refunding import CUSTOMER_HOME, Refunding, refunding, serving

pytestmark = pytest.mark.slow


@pytest.fixture
async def b(backups: Backups, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(backups.open, tmp_path) as built:
        yield built


async def started(b: Refunding, backups: Backups) -> Refunding:
    """The same merchant's API and refunder, over the database that lives now."""
    b.world.workers_db = await backups.open("worker")
    return serving(b.world, b.secret)


async def taken_over(stage: Treasury) -> None:
    """The vault's payments are known, and a new lane pays."""
    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)
    await stage.follow(1)
    data = calldata("retireLane(uint32)", [0])
    await stage.node.transact(stage.node.accounts[3], to=stage.vault, data=data)
    await stage.follow(3)
    for lane in await work.every():
        await work.take_over(rpc, lane, 0)
        assert await work.retire(rpc, lane)


async def test_refund_that_a_restore_forgot_is_not_given_back_a_second_time(
    b: Refunding, backups: Backups
) -> None:
    intent = await b.paid("20.00")
    other = await b.paid("20.00")
    copy = await backups.take(b.stage)
    b = await started(b, backups)
    called_off = await b.refund(intent, amount="1.00")
    await b.client.post(f"/v1/refunds/{called_off['id']}/cancel")
    forgotten = await b.claimed(await b.refund(intent, amount="12.00", key="order-4711"))
    await b.turn()
    await b.approve(forgotten)
    await b.pay()
    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 12_000_000)]

    await backups.put_back(b.stage, copy)
    b = await started(b, backups)
    await taken_over(b.stage)
    for key, amount in (("order-4711", "12.00"), ("another", "8.00"), ("all", None)):
        asked = await b.ask(intent, key=key, **({} if amount is None else {"amount": amount}))
        assert (asked.status_code, asked.json()["error"]["code"]) == (409, "payout_recovered"), key
    assert await b.stage.rows("SELECT count(*) FROM refunds") == [(0,)]

    lane = await b.stage.open_lane(1, 4)
    refund = await b.claimed(await b.refund(other, amount="5.00"), payee(3))
    await b.turn()
    await b.approve(refund)
    await b.stage.run(await b.stage.submitter(lane=lane), rounds=2)
    await b.turn()
    assert (await b.read(refund))["status"] == "succeeded"
    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 12_000_000), (payee(3), 5_000_000)]


async def test_refund_made_before_the_vault_was_read_is_not_paid_beside_one_that_was_forgotten(
    b: Refunding, backups: Backups
) -> None:
    intent = await b.paid("20.00")
    copy = await backups.take(b.stage)
    b = await started(b, backups)
    called_off = await b.refund(intent, amount="1.00")
    await b.client.post(f"/v1/refunds/{called_off['id']}/cancel")
    forgotten = await b.claimed(await b.refund(intent, amount="12.00", key="order-4711"))
    await b.turn()
    await b.approve(forgotten)
    await b.pay()

    await backups.put_back(b.stage, copy)
    b = await started(b, backups)
    early = await b.claimed(await b.refund(intent), payee(3))
    await b.turn()
    await b.approve(early)
    await taken_over(b.stage)
    await b.turn()
    lane = await b.stage.open_lane(1, 4)
    await b.stage.run(await b.stage.submitter(lane=lane), rounds=2)
    await b.turn()

    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 12_000_000)]
