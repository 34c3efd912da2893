"""/v1/invoices: what is owed for what, by when, and paid by a payment intent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bascule.domain.invoice import BPS, LINES_MAX, QUANTITY_MAX
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    AcceptedParams,
    Amount,
    Currency,
    FormList,
    Listed,
    Metadata,
    Nothing,
    Params,
    PolicyParams,
    Text200,
    Text1000,
    UnixSeconds,
)
from bascule.entrypoints.api.shape import Atomic, Decimal6, ListOf, Seconds, Shape
from bascule.services import invoice_view, invoices
from bascule.services.intent_request import Choice
from bascule.services.invoice_request import InvoiceRequest, LineRequest
from bascule.services.invoices import Asked
from bascule.storage.database import Connection
from bascule.storage.invoices import Party
from bascule.storage.listing import INVOICES

InvoiceStatus = Literal["draft", "open", "paid", "void", "uncollectible"]
InvoiceKind = Literal["customer", "platform_fees"]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
TaxName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class InvoiceLineParams(Params):
    """So many of something at a price each, before tax."""

    description: Words
    unit_amount: Amount
    quantity: Annotated[int, Field(ge=1, le=QUANTITY_MAX)] = 1
    tax_rate_bps: Annotated[int, Field(ge=0, le=BPS, description="Hundredths of a per cent, on top.")] = 0


class InvoiceCustomerParams(Params):
    """Whom the invoice is for, as it is to be printed."""

    name: Text200 | None = None
    email: Text200 | None = None
    address: Text1000 | None = None
    tax_id: Text200 | None = None


Lines = Annotated[list[InvoiceLineParams], FormList, Field(max_length=LINES_MAX)]
Due = Annotated[
    UnixSeconds | None, Field(description="At most 90 days ahead; two weeks after it is final when missing.")
]
SellerDetails = Annotated[
    Text1000 | None, Field(description="Printed under the account's name: address, tax id, bank.")
]


class InvoiceCreate(Params):
    """A new draft."""

    currency: Currency
    lines: Lines = []
    tax_name: TaxName = "Tax"
    customer: InvoiceCustomerParams = InvoiceCustomerParams()
    seller_details: SellerDetails = None
    due_at: Due = None
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    metadata: Metadata = {}


class InvoiceUpdate(Params):
    """What to change of a draft: null empties; lines and customer are replaced, metadata merges by key."""

    lines: Lines = []
    tax_name: TaxName = "Tax"
    customer: InvoiceCustomerParams = InvoiceCustomerParams()
    seller_details: SellerDetails = None
    due_at: Due = None
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    metadata: Metadata = {}


class InvoiceFinalize(Params):
    """How the money is asked for: as for a payment intent."""

    accepted: Annotated[list[AcceptedParams], FormList, Field(min_length=1, max_length=50)] | None = None
    policy: PolicyParams = PolicyParams()


class InvoiceList(Listed):
    """Filters of invoices."""

    status: InvoiceStatus | None = None
    type: InvoiceKind | None = None
    client_reference_id: Text200 | None = None


class InvoiceLine(Shape):
    """A line. amount: quantity times unit_amount, before tax."""

    description: str
    quantity: int
    unit_amount: Decimal6
    amount: Decimal6
    tax_rate_bps: int


class InvoiceTax(Shape):
    """The tax of one rate, of the sum of its lines, to the cent."""

    rate_bps: int
    taxable: Decimal6
    amount: Decimal6


class InvoiceCustomer(Shape):
    """Whom the invoice is for."""

    name: str | None
    email: str | None
    address: str | None
    tax_id: str | None


class InvoiceSeller(Shape):
    """Who asks for the money. name: the account's, as it was when the invoice became final."""

    name: str | None
    details: str | None


class InvoicePeriod(Shape):
    """The month that a fee invoice is of, in UTC; the end does not belong to it."""

    start: Seconds
    end: Seconds


class Invoice(Shape):
    """What is owed for what, and what became of it. total_atomic: all digits, in 10^-18 of the currency."""

    id: str
    object: Literal["invoice"]
    type: InvoiceKind
    number: str | None = Field(description="Without holes for the account, mode and type; null for a draft.")
    status: InvoiceStatus
    currency: str
    lines: list[InvoiceLine]
    subtotal: Decimal6
    taxes: list[InvoiceTax]
    tax: Decimal6
    tax_name: str
    total: Decimal6
    total_atomic: Atomic
    amount_received: Decimal6 = Field(
        description="By its payment intent; of a fee invoice what was withheld."
    )
    amount_remaining: Decimal6
    customer: InvoiceCustomer
    seller: InvoiceSeller
    due_at: Seconds | None
    period: InvoicePeriod | None
    payment_intent: str | None
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    created: Seconds
    finalized_at: Seconds | None
    paid_at: Seconds | None
    voided_at: Seconds | None
    marked_uncollectible_at: Seconds | None
    version: int


async def create(call: Call[InvoiceCreate], conn: Connection) -> dict[str, Any]:
    """A new draft, which asks nobody for money yet."""
    request = InvoiceRequest(**_read(call.params, set(type(call.params).model_fields)))
    return await call.deps.invoices.create(
        conn, account_id=call.account_id, livemode=call.livemode, request=request, context=call.context
    )


async def update(call: Call[InvoiceUpdate], conn: Connection) -> dict[str, Any]:
    """Changes a draft."""
    changes = _read(call.params, call.params.model_fields_set)
    return await call.deps.invoices.update(
        conn, call.id("in"), call.account_id, call.livemode, changes, call.context
    )


async def finalize(call: Call[InvoiceFinalize], conn: Connection) -> dict[str, Any]:
    """The draft gets its number and stands for ever; a payment intent asks for its total."""
    params, policy = call.params, call.params.policy
    accepted = None if params.accepted is None else [Choice(a.network, a.token) for a in params.accepted]
    asked = Asked(accepted=accepted, **policy.model_dump())
    return await call.deps.invoices.finalize(
        conn, call.id("in"), call.account_id, call.livemode, asked, call.context
    )


async def void(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Calls an invoice off, with its payment intent if it has one; a number it has stays taken."""
    return await call.deps.invoices.void(
        conn, call.id("in"), call.account_id, call.livemode, call.context
    )  # fmt: skip


async def mark_uncollectible(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Says that nobody is expected to pay it; money that comes still does."""
    return await call.deps.invoices.mark_uncollectible(
        conn, call.id("in"), call.account_id, call.livemode, call.context
    )


async def retrieve(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """One invoice."""
    row = await invoices.own(conn, call.id("in"), call.account_id, call.livemode)
    return invoice_view.shown(row)


async def list_all(call: Call[InvoiceList], conn: Connection) -> dict[str, Any]:
    """The caller's invoices, and those of the platform's fees to the caller."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(
        INVOICES, state=params.status, type=params.type, client_reference_id=params.client_reference_id
    )
    return await lists.answer(call, conn, INVOICES, invoice_view.describe, filters=filters)


def _read(params: InvoiceCreate | InvoiceUpdate, names: set[str]) -> dict[str, Any]:
    """The named parameters as the use-cases take them."""
    values: dict[str, Any] = {name: getattr(params, name) for name in names}
    if "lines" in values:
        values["lines"] = [LineRequest(**line.model_dump()) for line in params.lines]
    if "customer" in values:
        values["customer"] = Party(**params.customer.model_dump())
    return values


_PATH = "/v1/invoices"
_READ, _WRITE = "invoices:read", "invoices:write"
_LINE = {"description": "Consulting, hours", "quantity": 12, "unit_amount": "80.00", "tax_rate_bps": 1900}
_EXAMPLE = {"currency": "usdc", "lines": [_LINE], "customer": {"name": "Lamp & Sons"}, "tax_name": "VAT"}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_invoice", "Write an invoice", _WRITE, create, InvoiceCreate, Invoice,
        "optional", example=_EXAMPLE,
    ),
    Operation("GET", _PATH, "list_invoices", "List invoices", _READ, list_all, InvoiceList, ListOf[Invoice]),
    Operation("GET", f"{_PATH}/{{id}}", "get_invoice", "Read an invoice", _READ, retrieve, Nothing, Invoice),
    Operation(
        "POST", f"{_PATH}/{{id}}", "update_invoice", "Change a draft", _WRITE, update, InvoiceUpdate, Invoice,
        "optional", conflicts=True, example={"description": "March"},
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/finalize", "finalize_invoice", "Make an invoice final", _WRITE, finalize,
        InvoiceFinalize, Invoice, "optional", conflicts=True,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/void", "void_invoice", "Call an invoice off", _WRITE, void, Nothing, Invoice,
        "optional", conflicts=True,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/mark_uncollectible", "mark_invoice_uncollectible", "Write an invoice off",
        _WRITE, mark_uncollectible, Nothing, Invoice, "optional", conflicts=True,
    ),
)  # fmt: skip
