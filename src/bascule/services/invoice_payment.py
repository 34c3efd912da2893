"""Paid is an invoice in the transaction in which its payment intent succeeds, and at no other moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bascule.domain.invoice import InvoiceState
from bascule.domain.payment_intent import IntentState
from bascule.domain.webhook import EventType
from bascule.services.invoice_view import happening
from bascule.services.outbox import Happening
from bascule.storage import invoices
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow


async def pay(
    conn: Connection, changed: Iterable[tuple[IntentRow, IntentRow]], at: datetime
) -> list[Happening]:
    """Pays the invoices of those intents that succeed just now; what is to be told of it.

    changed: locked intents before and after; nothing is read or written where none asks for an invoice.
    """
    paid = [
        after.invoice_id
        for before, after in changed
        if after.invoice_id is not None
        and after.state is IntentState.SUCCEEDED
        and before.state is not IntentState.SUCCEEDED
    ]
    if not paid:
        return []
    was = await invoices.of_ids(conn, paid)
    rows = await invoices.advance_to_paid(conn, paid, at)
    return [happening(row, EventType.INVOICE_PAID, InvoiceState(was[row.id].state)) for row in rows]
