"""The worker of invoices: reminds of what is not paid, and writes the fee invoices of closed months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby

from bascule.domain.ids import Prefix
from bascule.domain.invoice import REMINDED_BEFORE, InvoiceState, Line, Reminder, reminder, sums
from bascule.domain.money import SCALE, display_units
from bascule.domain.webhook import EventType
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.invoice_view import happening
from bascule.services.outbox import Happening, Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import accounts, invoices
from bascule.storage.database import Connection, Database
from bascule.storage.invoices import Draft, FeesOfMonth, InvoiceRow, Party, Seller

BATCH = 100
_EVENTS = {
    Reminder.WILL_BE_DUE: EventType.INVOICE_WILL_BE_DUE,
    Reminder.DUE: EventType.INVOICE_DUE,
    Reminder.OVERDUE: EventType.INVOICE_OVERDUE,
}


class Biller:
    """Does what time asks of invoices, each thing once."""

    name = "biller"

    def __init__(
        self, db: Database, clock: Clock, entropy: Entropy, outbox: Outbox,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:  # fmt: skip
        self._db = db
        self._clock = clock
        self._entropy = entropy
        self._outbox = outbox
        self._failpoints = failpoints

    async def run_once(self) -> int:
        """How many reminders were told and months invoiced; 0 when nothing is due."""
        now = self._clock.now()
        async with self._db.read() as conn:
            bounds = [now + before for before in REMINDED_BEFORE.values()]
            to_remind = await invoices.to_remind(conn, bounds, limit=BATCH)
            months = await invoices.closed_months(conn, limit=1)
        reminded = [await self._remind(invoice_id) for invoice_id in to_remind]
        return sum(reminded) + sum([await self._invoice(month) for month in months])

    async def _remind(self, invoice_id: str) -> bool:
        """Tells the latest reminder alone: who hears that it is overdue need not hear that it will be due."""
        async with self._db.transaction() as conn:
            row = await invoices.lock(conn, invoice_id)
            if row is None or row.state is not InvoiceState.OPEN or row.due_at is None:
                return False
            latest = reminder(row.due_at, self._clock.now())
            if latest <= row.reminded:
                return False
            told = await invoices.remind(conn, row, latest)
            await self._outbox.append_many(conn, [happening(told, _EVENTS[latest])])
            self._failpoints.hit("biller.before_remind")
        self._failpoints.hit("biller.after_remind")
        return True

    async def _invoice(self, month: date) -> bool:
        """All fee invoices of a month, or none."""
        async with self._db.transaction() as conn:
            if not await invoices.claim_month(conn, month):
                return False
            operator = await accounts.operator(conn)
            seller = Seller(name=None if operator is None else operator.name)
            told: list[Happening] = []
            fees = await invoices.fees_of_month(conn, month)
            for _, its in groupby(fees, key=lambda fee: (fee.account_id, fee.livemode, fee.currency)):
                row = await self._write(conn, month, seller, list(its))
                told.append(happening(row, EventType.INVOICE_PAID))
            await self._outbox.append_many(conn, told)
            self._failpoints.hit("biller.before_month")
        self._failpoints.hit("biller.after_month")
        return True

    async def _write(
        self, conn: Connection, month: date, seller: Seller, fees: Sequence[FeesOfMonth]
    ) -> InvoiceRow:
        first = fees[0]
        merchant = await accounts.get(conn, first.account_id)
        draft = Draft(
            currency=first.currency,
            lines=[line for fee in fees for line in lines_of(fee)],
            tax_name="Tax",
            customer=Party(name=None if merchant is None else merchant.name),
            seller=seller,
            due_at=None,
            client_reference_id=None,
            description=None,
            metadata={},
        )
        id = new_id(Prefix.INVOICE, self._clock, self._entropy)
        await invoices.insert_fees(
            conn, id, first.account_id, first.livemode, month, draft, sums(draft.lines), self._clock.now()
        )
        return (await invoices.of_ids(conn, [id]))[id]


def lines_of(fee: FeesOfMonth) -> list[Line]:
    """A line for the shares and one for the fixed parts, as far as there were any."""
    unit = 10 ** (SCALE - fee.decimals)
    gross = f"{display_units(fee.gross, fee.decimals)} {fee.currency.upper()}"
    received = f"{fee.payments} payment{'' if fee.payments == 1 else 's'} of {gross} on {fee.network}"
    parts = ((f"Share of {received}", fee.share), (f"Fixed part of {received}", fee.fixed))
    return [Line(words, 1, amount * unit) for words, amount in parts if amount]
