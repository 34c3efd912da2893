"""An invoice: what is owed for what, by when, and what became of it.

Amounts are whole numbers of 10^-18 of the invoice's currency. Only tax is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from itertools import groupby
from typing import NamedTuple

from bascule.domain.errors import Rejected
from bascule.domain.machine import Machine
from bascule.domain.money import SCALE

BPS = 10_000
CENT: int = 10 ** (SCALE - 2)
LINES_MAX = 50
QUANTITY_MAX = 1_000_000
DUE = timedelta(days=14)  # after it became final, unless said otherwise
DUE_MAX = timedelta(days=90)
_LARGEST = 10 ** (18 + SCALE)  # what an intent may ask for: 18 digits before the point


class InvoiceType(StrEnum):
    """Who writes it to whom: a merchant to a customer, or the platform to a merchant."""

    CUSTOMER = "customer"
    PLATFORM_FEES = "platform_fees"


class InvoiceState(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class InvoiceEvent(StrEnum):
    FINALIZE = "finalize"
    PAY = "pay"
    CALL_OFF = "void"
    WRITE_OFF = "mark_uncollectible"


S, E = InvoiceState, InvoiceEvent

INVOICE = Machine(
    "invoice",
    InvoiceState,
    InvoiceEvent,
    initial=(S.DRAFT, S.PAID),
    table={
        (S.DRAFT, E.FINALIZE): S.OPEN,
        (S.DRAFT, E.CALL_OFF): S.VOID,
        (S.OPEN, E.PAY): S.PAID,
        (S.OPEN, E.CALL_OFF): S.VOID,
        (S.OPEN, E.WRITE_OFF): S.UNCOLLECTIBLE,
        (S.UNCOLLECTIBLE, E.PAY): S.PAID,
        (S.UNCOLLECTIBLE, E.CALL_OFF): S.VOID,
    },
    sentences={
        S.DRAFT: "The merchant is still writing it; it has no number and nobody is asked for money.",
        S.OPEN: "It has its number and stands; its payment intent asks for the money.",
        S.PAID: "Its payment intent has succeeded, or the platform had withheld its fees already.",
        S.VOID: "It was called off, with its payment intent if it had one; a number it had stays taken.",
        S.UNCOLLECTIBLE: "The merchant does not expect to be paid; money that comes still pays it.",
    },
)


class Reminder(IntEnum):
    """What a customer who has not paid may be reminded of, the later the higher."""

    NONE = 0
    WILL_BE_DUE = 1
    DUE = 2
    OVERDUE = 3


# How long before an invoice is due each reminder is told.
REMINDED_BEFORE = {
    Reminder.WILL_BE_DUE: timedelta(days=3),
    Reminder.DUE: timedelta(days=1),
    Reminder.OVERDUE: timedelta(0),
}


def reminder(due_at: datetime, now: datetime) -> Reminder:
    """The latest reminder whose moment has come."""
    return max(
        (each for each, before in REMINDED_BEFORE.items() if now >= due_at - before), default=Reminder.NONE
    )


@dataclass(frozen=True, slots=True)
class Line:
    """So many of something at a price each. unit_amount: 10^-18; tax_bps: 1/10,000 of the amount, on top."""

    description: str
    quantity: int
    unit_amount: int
    tax_bps: int = 0

    @property
    def amount(self) -> int:
        """Before tax, exactly."""
        return self.quantity * self.unit_amount


class Tax(NamedTuple):
    """The tax of one rate. taxable: what it is computed from."""

    rate_bps: int
    taxable: int
    amount: int


class Sums(NamedTuple):
    """What lines come to. taxes: one for each rate above zero, the lowest first."""

    subtotal: int
    taxes: tuple[Tax, ...]

    @property
    def tax(self) -> int:
        """All rates together."""
        return sum(tax.amount for tax in self.taxes)

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.subtotal + self.tax


def sums(lines: Sequence[Line]) -> Sums:
    """The invoice's sums. Tax is computed once for each rate, of the sum of its lines, to the cent.

    Half a cent and more is rounded up. Raises: Rejected `amount_too_large`.
    """
    taxes = []
    for rate, its in groupby(sorted(lines, key=lambda line: line.tax_bps), key=lambda line: line.tax_bps):
        taxable = sum(line.amount for line in its)
        if rate:
            taxes.append(Tax(rate, taxable, to_the_cent(taxable * rate, BPS)))
    found = Sums(sum(line.amount for line in lines), tuple(taxes))
    if found.total >= _LARGEST:
        raise Rejected("amount_too_large", "The total has at most 18 digits before the point.", param="lines")
    return found


def to_the_cent(dividend: int, divisor: int) -> int:
    """dividend / divisor to the nearest hundredth of the currency, a half up."""
    return (2 * dividend + divisor * CENT) // (2 * divisor * CENT) * CENT


def numbered(type: InvoiceType, number: int, *, livemode: bool) -> str:
    """The number as it stands on the document: `INV-000042`, `FEE-000007`, `TEST-INV-000001`."""
    letters = "FEE" if type is InvoiceType.PLATFORM_FEES else "INV"
    return f"{'' if livemode else 'TEST-'}{letters}-{number:06d}"
