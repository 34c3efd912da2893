"""An invoice as the API, its events and its page show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from bascule.domain.invoice import InvoiceState, InvoiceType, Sums, numbered, sums
from bascule.domain.money import SCALE, display_units
from bascule.domain.webhook import EventType
from bascule.services.outbox import Happening
from bascule.storage import invoices
from bascule.storage.database import Connection
from bascule.storage.invoices import InvoiceRow


async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The invoices with these ids, in this order; all of them exist."""
    found = await invoices.of_ids(conn, ids)
    return [shown(found[id]) for id in ids]


def shown(row: InvoiceRow) -> dict[str, Any]:
    """The invoice as JSON values."""
    found = sums(row.lines)
    return {
        "id": row.id,
        "object": "invoice",
        "type": row.type.value,
        "number": None if row.number is None else numbered(row.type, row.number, livemode=row.livemode),
        "status": row.state.value,
        "currency": row.currency,
        "lines": _lines(row),
        "subtotal": _display(row.subtotal),
        "taxes": _taxes(found),
        "tax": _display(row.tax),
        "tax_name": row.tax_name,
        "total": _display(row.total),
        "total_atomic": str(row.total),
        "amount_received": _display(received(row)),
        "amount_remaining": _display(remaining(row)),
        "customer": row.customer._asdict(),
        "seller": row.seller._asdict(),
        "due_at": _seconds(row.due_at),
        "period": None if row.month is None else _period(row.month),
        "payment_intent": row.payment_intent_id,
        "client_reference_id": row.client_reference_id,
        "description": row.description,
        "metadata": dict(row.metadata),
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "finalized_at": _seconds(row.finalized_at),
        "paid_at": _seconds(row.paid_at),
        "voided_at": _seconds(row.voided_at),
        "marked_uncollectible_at": _seconds(row.uncollectible_at),
        "version": row.version,
    }


def happening(row: InvoiceRow, type: EventType, before: InvoiceState | None = None) -> Happening:
    """What is told of an invoice. before: the state it was in, where it moved."""
    return Happening(
        account_id=row.account_id,
        livemode=row.livemode,
        type=type,
        object_id=row.id,
        object_version=row.version,
        object=shown(row),
        previous=None if before is None else {"status": before.value},
    )


def received(row: InvoiceRow) -> int:
    """What its intent has received; fees were withheld to the last digit."""
    return row.total if row.type is InvoiceType.PLATFORM_FEES else row.received


def remaining(row: InvoiceRow) -> int:
    """What is still to be paid; nothing of an invoice that is paid, also where its intent took less."""
    return 0 if row.state in (InvoiceState.PAID, InvoiceState.VOID) else max(0, row.total - row.received)


def _lines(row: InvoiceRow) -> list[dict[str, Any]]:
    return [
        {
            "description": line.description,
            "quantity": line.quantity,
            "unit_amount": _display(line.unit_amount),
            "amount": _display(line.amount),
            "tax_rate_bps": line.tax_bps,
        }
        for line in row.lines
    ]


def _taxes(found: Sums) -> list[dict[str, Any]]:
    return [
        {"rate_bps": tax.rate_bps, "taxable": _display(tax.taxable), "amount": _display(tax.amount)}
        for tax in found.taxes
    ]


def _period(month: date) -> dict[str, int]:
    """The month's first moment, and the first after it, in UTC."""
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return {
        name: int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())
        for name, day in (("start", month), ("end", after))
    }


def _display(units: int) -> str:
    return display_units(units, SCALE)


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
