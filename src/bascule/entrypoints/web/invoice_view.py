"""What an invoice's page says: who owes whom what for what, how it stands, and how it is paid."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bascule.domain.invoice import InvoiceState, InvoiceType, Sums, numbered, sums
from bascule.domain.money import SCALE, display_units
from bascule.domain.payment_intent import IntentState
from bascule.entrypoints.web.checkout_view import Saying, moment, qr, tidy
from bascule.services.invoice_view import received, remaining
from bascule.storage.invoices import InvoiceRow, Party

WAITING = (InvoiceState.OPEN, InvoiceState.UNCOLLECTIBLE)


def view(row: InvoiceRow, now: datetime, public_url: str) -> dict[str, Any]:
    """All that the template needs, of an invoice that has its number."""
    assert row.number is not None, "a draft has no page"
    assert row.finalized_at is not None, "what has a number is final"
    said = say(row, now)
    pays_at = f"/c/{row.payment_intent_id}" if said.payable else None
    return {
        "row": row,
        "number": numbered(row.type, row.number, livemode=row.livemode),
        "currency": row.currency.upper(),
        "said": said,
        "date": day(row.finalized_at),
        "due": None if row.due_at is None else moment(row.due_at),
        "due_day": None if row.due_at is None else f"{day(row.due_at)}, {row.due_at:%H:%M} UTC",
        "seller": "\n".join(filter(None, row.seller)),
        "customer": "\n".join(filter(None, _printed(row.customer))),
        "month": None if row.month is None else f"{row.month:%B %Y}",
        "lines": _lines(row),
        "taxed": any(line.tax_bps for line in row.lines),
        "sums": _sums(row, sums(row.lines)),
        "total": _amount(row.total),
        "remaining": _amount(remaining(row)),
        "pays_at": pays_at,
        "held": row.held,
        "pays_at_url": None if pays_at is None else public_url + pays_at,
        "qr": None if pays_at is None else qr(public_url + pays_at),
    }


def say(row: InvoiceRow, now: datetime) -> Saying:
    """How it stands, in plain words."""
    seller = row.seller.name or "The merchant"
    match row.state:
        case InvoiceState.PAID if row.type is InvoiceType.PLATFORM_FEES:
            text = (
                "These fees were withheld from your payments when they were credited. Nothing is to be paid."
            )
            return Saying("Paid", text, 4, "done", False)
        case InvoiceState.PAID:
            assert row.paid_at is not None, "what is paid was paid at a moment"
            text = (
                f"{_money(row, row.received)} was received on {day(row.paid_at)}. Nothing more is to be paid."
            )
            return Saying("Paid", text, 4, "done", False)
        case InvoiceState.VOID:
            return Saying("Void", f"{seller} called this invoice off. Do not pay it.", 0, "care", False)
        case _:
            return _waiting(row, seller, now)


def _waiting(row: InvoiceRow, seller: str, now: datetime) -> Saying:
    assert row.due_at is not None, "an invoice to a customer is due at a moment"
    due, missing = moment(row.due_at)["short"], _money(row, remaining(row))
    if row.payment_state is IntentState.CANCELED:
        text = f"Do not pay it any more: its addresses are closed. Ask {seller} for a new invoice."
        return Saying("The time to pay has passed", text, 0, "care", False)
    if row.payment_state is IntentState.PROCESSING:
        text = f"We have seen {_money(row, row.received)} and wait until the network makes it final."
        return Saying("Payment seen", text, 2, "calm", False)
    if row.held:
        text = (
            "A transfer has arrived and is being checked before it counts. If you sent it, do not pay again."
        )
        return Saying("A transfer is being checked", text, 1, "care", True)
    if row.received:
        here = f"We received {_money(row, row.received)} of {_money(row, row.total)}."
        text = f"{here} Pay {missing} more by {due}."
        return Saying("Part of it is paid", text, 1, "care", True)
    if now >= row.due_at:
        text = f"It was due on {due}. Pay {missing} as soon as you can, or ask {seller}."
        return Saying("This invoice is overdue", text, 0, "care", True)
    return Saying("To be paid", f"Pay {missing} by {due}.", 0, "calm", True)


def day(at: datetime) -> str:
    """A day as it is written on a document."""
    return f"{at.day} {at:%B %Y}"


def percent(bps: int) -> str:
    """`19 %`, `7.25 %`: no zero too many."""
    whole, rest = divmod(bps, 100)
    return f"{whole}{f'.{rest:02d}'.rstrip('0') if rest else ''} %"


def _printed(customer: Party) -> tuple[str | None, ...]:
    """As an address is written, name and place first."""
    return customer.name, customer.address, customer.email, customer.tax_id


def _lines(row: InvoiceRow) -> list[dict[str, Any]]:
    return [
        {
            "description": line.description,
            "quantity": line.quantity,
            "price": _amount(line.unit_amount),
            "tax": percent(line.tax_bps),
            "amount": _amount(line.amount),
        }
        for line in row.lines
    ]


def _sums(row: InvoiceRow, found: Sums) -> list[tuple[str, str]]:
    """Label and amount, down to what is left to pay."""
    shown = [("Subtotal", _amount(found.subtotal))] if found.taxes else []
    shown += [
        (f"{row.tax_name} {percent(tax.rate_bps)} of {_amount(tax.taxable)}", _amount(tax.amount))
        for tax in found.taxes
    ]
    shown.append(("Total", _amount(found.total)))
    if received(row):
        label = "Withheld" if row.type is InvoiceType.PLATFORM_FEES else "Received"
        shown += [(label, _amount(received(row))), ("To be paid", _amount(remaining(row)))]
    return shown


def _amount(units: int) -> str:
    return tidy(display_units(units, SCALE))


def _money(row: InvoiceRow, units: int) -> str:
    return f"{_amount(units)} {row.currency.upper()}"
