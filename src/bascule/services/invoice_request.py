"""What a merchant writes into an invoice, read: lines, sums and the moment it is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bascule.domain.errors import Rejected
from bascule.domain.invoice import DUE, DUE_MAX, Line
from bascule.domain.money import parse_amount
from bascule.storage.invoices import Draft, Party, Seller

METADATA_KEYS = 50


@dataclass(frozen=True, slots=True)
class LineRequest:
    """One line as it came. unit_amount: a decimal string; tax_rate_bps: from 0 to 10,000."""

    description: str
    unit_amount: object
    quantity: int = 1
    tax_rate_bps: int = 0


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    """A draft as it was asked for. due_at: unix seconds; without it two weeks after it is final."""

    currency: str
    lines: Sequence[LineRequest] = ()
    tax_name: str = "Tax"
    customer: Party = field(default_factory=Party)
    seller_details: str | None = None
    due_at: int | None = None
    client_reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None


def read(request: InvoiceRequest, now: datetime) -> Draft:
    """Raises: Rejected, naming the parameter."""
    return Draft(
        currency=request.currency,
        lines=read_lines(request.lines, request.currency),
        tax_name=request.tax_name,
        customer=request.customer,
        seller=Seller(details=request.seller_details),
        due_at=None if request.due_at is None else _due(request.due_at, now),
        client_reference_id=request.client_reference_id,
        description=request.description,
        metadata=dict(request.metadata or {}),
    )


def changed(draft: Draft, changes: Mapping[str, Any], now: datetime) -> Draft:
    """The draft with what is named changed: null empties, lines are replaced, metadata merges by key.

    Raises: Rejected, naming the parameter.
    """
    values: dict[str, Any] = dict(changes)
    if "lines" in values:
        values["lines"] = read_lines(values["lines"], draft.currency)
    if "seller_details" in values:
        values["seller"] = Seller(details=values.pop("seller_details"))
    if values.get("due_at") is not None:
        values["due_at"] = _due(values["due_at"], now)
    if "metadata" in values:
        merged = {**draft.metadata, **(values["metadata"] or {})}
        values["metadata"] = {key: value for key, value in merged.items() if value != ""}
        if len(values["metadata"]) > METADATA_KEYS:
            raise Rejected("parameter_invalid", f"At most {METADATA_KEYS} keys.", param="metadata")
    return replace(draft, **values)


def read_lines(lines: Sequence[LineRequest], currency: str) -> tuple[Line, ...]:
    """Lines with exact amounts. Raises: Rejected, naming the line."""
    return tuple(
        Line(
            line.description,
            line.quantity,
            parse_amount(line.unit_amount, currency, param=f"lines.{place}.unit_amount").units,
            line.tax_rate_bps,
        )
        for place, line in enumerate(lines)
    )


def due_at(draft: Draft, now: datetime) -> datetime:
    """When a draft that becomes final now is due. Raises: Rejected when that is over."""
    if draft.due_at is None:
        return now.replace(microsecond=0) + DUE
    return _due(int(draft.due_at.timestamp()), now)


def _due(seconds: int, now: datetime) -> datetime:
    at = datetime.fromtimestamp(seconds, UTC)
    if not now < at <= now + DUE_MAX:
        raise Rejected(
            "parameter_invalid", f"From now to {DUE_MAX.days} days ahead, in unix seconds.", param="due_at"
        )
    return at
