"""Refunds after a backup was put back: what may have been paid before is neither paid nor freed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from bascule.domain.chain import Address, Hash, parse_address
from bascule.domain.refund import LOOK_AGAIN, payout_identity
from bascule.domain.vault import tag
from bascule.entrypoints.explaining import explain
from bascule.services.payout_request import everlasting
from bascule.storage import recovered
from bascule.storage.recovered import Item
from tests.support.money_out import OpenAs, payee
from tests.support.outgoing import FORGET_WHAT_WAS_READ_BACK
from tests.support.refunding import CUSTOMER_HOME, Refunding, refunding

RESTORED: LiteralString = "UPDATE address_epochs SET known = epoch - 1, checked_at = %s"


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(db_as, tmp_path) as built:
        yield built
        await built.stage.require_truth()
        await built.world.require_even()


@pytest.mark.slow
async def test_refund_that_was_paid_before_a_restore_is_neither_paid_nor_freed_again(b: Refunding) -> None:
    intent = await b.paid("5.00")
    refund = await b.claimed(await b.refund(intent))
    network, token = b.stage.network.chain_id, b.stage.token.contract
    async with b.stage.owner.transaction() as conn:
        await recovered.insert(
            conn, network, parse_address(b.stage.vault), Address(token), Hash(b"\7" * 32), 1,
            [Item(7, tag(everlasting(b.world.merchant, False, payout_identity(intent["id"], 1))), "paid",
                  parse_address(CUSTOMER_HOME), 5_000_000)],
        )  # fmt: skip
    for _ in range(2):
        canceled = await b.client.post(f"/v1/refunds/{refund['id']}/cancel")
        assert (canceled.status_code, canceled.json()["error"]["code"]) == (409, "payout_recovered")
        assert await b.turn() == {}
    waiting = await b.read(refund)
    assert (waiting["status"], waiting["waits_for"]) == ("pending", "payout_recovered")
    assert waiting["next_action"] is None, "nobody can do anything"
    assert (await b.ask(intent)).json()["error"]["code"] == "refund_exceeds_refundable"
    await b.stage.rows_change(FORGET_WHAT_WAS_READ_BACK)


@pytest.mark.slow
async def test_refund_is_not_called_off_while_a_batch_of_before_a_restore_may_pay_it(b: Refunding) -> None:
    refund = await b.claimed(await b.refund(await b.paid("5.00")))
    await b.stage.rows_change(RESTORED, b.stage.clock.now() + timedelta(days=36_500))
    refused = await b.client.post(f"/v1/refunds/{refund['id']}/cancel")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "restore_unsettled")
    assert (await b.read(refund))["status"] == "pending"
    await b.stage.rows_change(RESTORED, b.stage.clock.now() - timedelta(days=365))
    canceled = await b.client.post(f"/v1/refunds/{refund['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")


@pytest.mark.slow
async def test_refund_frees_its_amount_by_no_end_while_a_batch_of_before_a_restore_may_pay_it(
    b: Refunding,
) -> None:
    """Of one whose link nobody used, and of one whose address is denied: each had a payout since."""
    intent = await b.paid("5.00")
    unclaimed, denied = await b.refund(intent, amount="2.00"), await b.refund(intent, amount="3.00")
    b.stage.clock.advance(timedelta(days=29))
    await b.claimed(denied, payee(8))
    await b.deny(payee(8))
    await b.stage.rows_change(RESTORED, b.stage.clock.now() + timedelta(days=36_500))
    b.stage.clock.advance(timedelta(days=2))
    for _ in range(2):
        await b.turn()
        b.stage.clock.advance(LOOK_AGAIN)
    for each, stands in ((unclaimed, "requires_action"), (denied, "pending")):
        shown = await b.read(each)
        assert (shown["status"], shown["waits_for"], shown["next_action"]) == (
            stands,
            "restore_unsettled",
            None,
        )
        async with b.stage.owner.read() as conn:
            told = await explain(conn, each["id"])
        assert told is not None
        assert "bytes signed before a restore may still pay it" in told["next"]
    assert (await b.told(unclaimed)).count("updated") == 1, "the same is told once"
    assert (await b.enter(unclaimed, payee(7), confirm=True)).status_code == 409
    assert (await b.ask(intent)).json()["error"]["code"] == "refund_exceeds_refundable"

    await b.stage.rows_change(RESTORED, b.stage.clock.now() - timedelta(days=365))
    b.stage.clock.advance(LOOK_AGAIN)
    await b.turn()
    assert [(await b.read(each))["status"] for each in (unclaimed, denied)] == ["canceled", "failed"]
    assert (await b.read(unclaimed))["waits_for"] is None
    assert (await b.refund(intent, amount="5.00"))["amount"] == "5.000000"
