"""An invoice from all sides: its state in words, by what it is paid, and what happens next."""

from __future__ import annotations

from typing import Any

from bascule.domain.errors import NotFound
from bascule.domain.invoice import INVOICE, InvoiceState
from bascule.services import invoice_view
from bascule.storage import invoices
from bascule.storage.database import Connection


async def invoice(conn: Connection, invoice_id: str) -> dict[str, Any]:
    """An invoice: how much, by which payment intent, and who has to do something. Raises: NotFound."""
    row = await invoices.get(conn, invoice_id)
    if row is None:
        raise NotFound("resource_missing", f"No such invoice: {invoice_id}.", next_step="copy the id whole")
    shown = invoice_view.shown(row)
    waiting = f"the customer pays {shown['amount_remaining']} {row.currency}: `bascule explain` the intent"
    waits = {
        InvoiceState.DRAFT: f"the merchant makes it final: POST /v1/invoices/{invoice_id}/finalize",
        InvoiceState.OPEN: waiting,
        InvoiceState.UNCOLLECTIBLE: waiting,
    }
    return {
        "object": f"invoice {invoice_id}",
        "number": shown["number"],
        "state": f"{row.state}: {INVOICE.sentences[row.state]}",
        "amounts": {name: shown[name] for name in ("subtotal", "tax", "total", "amount_received")},
        "due_at": shown["due_at"],
        "reminded": row.reminded.name.lower(),
        "paid_by": row.payment_intent_id,
        "next": waits.get(row.state, "nothing: this is its end"),
    }
