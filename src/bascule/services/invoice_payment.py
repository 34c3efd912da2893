"""Paid is an invoice in the transaction in which its payment intent succeeds, and at no other moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bascule.domain.invoice import InvoiceState
from bascule.domain.webhook import EventType
from bascule.services.invoice_view import happening
from bascule.services.outbox import Happening
from bascule.storage import invoices
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow


async def pay(conn: Connection, succeeded: Iterable[IntentRow], at: datetime) -> list[Happening]:
    """Pays the invoices of intents that have succeeded just now; what is to be told of it.

    succeeded: locked; nothing is read or written where none asks for an invoice.
    """
    paid = [intent.invoice_id for intent in succeeded if intent.invoice_id is not None]
    if not paid:
        return []
    was = await invoices.of_ids(conn, paid)
    rows = await invoices.advance_to_paid(conn, paid, at)
    return [happening(row, EventType.INVOICE_PAID, InvoiceState(was[row.id].state)) for row in rows]
