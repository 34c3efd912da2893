"""Invoices: paid in the moment in which their money is final, reminded of once each, never paid twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from bascule.entrypoints.explaining import explain
from bascule.services import invoice_view
from bascule.services.biller import Biller
from bascule.services.invoice_request import InvoiceRequest, LineRequest
from bascule.services.invoices import Asked, Invoices
from bascule.services.seams import SystemEntropy
from bascule.storage import refunds
from tests.support.money_in import Bridge, OpenAs, bridge

DAY = 86_400


@dataclass
class Billing:
    """A bridge whose merchant writes invoices, and the worker that reminds of them."""

    b: Bridge
    biller: Biller

    @property
    def use_cases(self) -> Invoices:
        return Invoices(self.b.clock, SystemEntropy(), self.b.outbox, self.b.use_cases)

    async def final(self, amount: str, days: int = 10, **asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A final invoice of so much, due in so many days, and its payment intent."""
        due_at = int(self.b.clock.now().timestamp()) + days * DAY
        whose = {"account_id": self.b.merchant, "livemode": False}
        line = LineRequest("Lamp", amount)
        async with self.b.api.transaction() as conn:
            request = InvoiceRequest("usdt", [line], due_at=due_at)
            draft = await self.use_cases.create(conn, **whose, request=request)
            invoice = await self.use_cases.finalize(conn, draft["id"], **whose, asked=Asked(**asked))
        return invoice, await self.b.shown({"id": invoice["payment_intent"]})

    async def shown(self, invoice: dict[str, Any]) -> dict[str, Any]:
        async with self.b.api.read() as conn:
            return (await invoice_view.describe(conn, [invoice["id"]]))[0]

    async def told(self, invoice: dict[str, Any]) -> list[str]:
        """What was told of it, after its birth."""
        rows = await self.b.rows("SELECT object_id, type FROM outbox ORDER BY id")
        mine = [type.removeprefix("invoice.") for id, type in rows if id == invoice["id"]]
        assert mine[:2] == ["created", "finalized"]
        return mine[2:]


@pytest.fixture
async def billing(db_as: OpenAs) -> AsyncIterator[Billing]:
    async with bridge(db_as) as made:
        yield Billing(made, Biller(await db_as("worker"), made.clock, SystemEntropy(), made.outbox))


async def test_an_invoice_is_paid_when_its_intent_succeeds_in_parts_late_and_written_off(
    billing: Billing,
) -> None:
    b, biller = billing.b, billing.biller
    invoice, intent = await billing.final("25.00", underpay_tolerance_bps=100)
    lost, owed = await billing.final("4.00", days=2)
    watcher = await b.started()
    async with b.api.transaction() as conn:
        await billing.use_cases.mark_uncollectible(conn, lost["id"], b.merchant, False)

    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    part = await billing.shown(invoice)
    assert (part["status"], part["amount_received"], part["amount_remaining"]) == (
        "open", "10.000000", "15.000000",
    )  # fmt: skip
    assert await biller.run_once() == 0, "nothing is due for a week"
    for days, reminded in ((7, 1), (0, 0), (2, 1)):
        b.clock.advance(days * DAY)
        assert await biller.run_once() == reminded
    await b.pay(intent, "14.75")
    await b.pay(owed, "4.00")
    await b.settle_down(watcher)
    b.clock.advance(2 * DAY)
    assert await biller.run_once() == 0, "money is on the chain: nobody is reminded"
    assert (await billing.shown(invoice))["status"] == "open"
    await b.finalize(watcher)

    paid = await billing.shown(invoice)
    assert (paid["status"], paid["amount_received"], paid["amount_remaining"]) == (
        "paid", "24.750000", "0.000000",
    )  # fmt: skip
    assert await billing.told(invoice) == ["will_be_due", "due", "paid"]
    assert await billing.told(lost) == ["marked_uncollectible", "paid"], "late, and written off, and paid"
    assert {"late"} <= set((await b.shown(owed))["flags"])
    events = await b.events()
    last = [event for event in events if event in ("payment_intent.succeeded", "invoice.paid")]
    assert sorted(last) == ["invoice.paid"] * 2 + ["payment_intent.succeeded"] * 2
    async with b.api.read() as conn:
        explained = await explain(conn, invoice["id"])
    assert explained is not None
    assert (explained["paid_by"], explained["reminded"]) == (intent["id"], "due")
    assert (await b.booked())["available:merchant"] == -28_750_000


async def test_nobody_who_was_away_is_told_more_than_the_latest_reminder(billing: Billing) -> None:
    near, _ = await billing.final("1.00", days=2)
    far, _ = await billing.final("1.00", days=30)
    billing.b.clock.advance(31 * DAY)

    assert [await billing.biller.run_once() for _ in range(2)] == [2, 0]
    assert await billing.told(near) == await billing.told(far) == ["overdue"]


async def test_part_of_an_invoice_that_is_called_off_stays_credited_and_can_be_refunded(
    billing: Billing,
) -> None:
    b = billing.b
    watcher = await b.started()
    invoice, intent = await billing.final("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)

    async with b.api.transaction() as conn:
        voided = await billing.use_cases.void(conn, invoice["id"], b.merchant, False)
    await b.finalize(watcher)

    assert voided["status"] == "void"
    assert await b.booked() == {"custody:forwarders": 4_000_000, "available:merchant": -4_000_000}
    async with b.owner.read() as conn:
        [left] = await refunds.refundable(conn, intent["id"])
    assert left.left == 4_000_000
