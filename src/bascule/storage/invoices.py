"""Rows of invoices: drafts, documents that stand, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from bascule.domain.errors import Halted
from bascule.domain.invoice import INVOICE, InvoiceEvent, InvoiceState, InvoiceType, Line, Reminder, Sums
from bascule.domain.payment_intent import IntentState
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("invoices")


class Party(NamedTuple):
    """The customer of an invoice; of a fee invoice, the merchant. Each as it is to be printed."""

    name: str | None = None
    email: str | None = None
    address: str | None = None
    tax_id: str | None = None


class Seller(NamedTuple):
    """Who asks for the money: the account's name once the invoice is final, and what else is printed."""

    name: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a merchant writes."""

    currency: str
    lines: Sequence[Line]
    tax_name: str
    customer: Party
    seller: Seller
    due_at: datetime | None
    client_reference_id: str | None
    description: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InvoiceRow(Draft):
    """One invoice as stored. subtotal, tax, total, received: 10^-18 of the currency; reminded: the last told.

    payment_intent_id, payment_state, received, held: of the intent that asks for it; month: of its fees.
    """

    id: str
    account_id: str
    livemode: bool
    type: InvoiceType
    state: InvoiceState
    number: int | None
    subtotal: int
    tax: int
    total: int
    month: date | None
    reminded: Reminder
    created_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    uncollectible_at: datetime | None
    version: int
    payment_intent_id: str | None
    payment_state: IntentState | None
    received: int
    held: bool


class FeesOfMonth(NamedTuple):
    """What was kept of an account's receipts in one token. gross, share, fixed: its base units."""

    account_id: str
    livemode: bool
    currency: str
    token_id: str
    decimals: int
    network: str
    payments: int
    gross: int
    share: int
    fixed: int


async def insert(
    conn: Connection, id: str, account_id: str, livemode: bool, draft: Draft, sums: Sums, at: datetime
) -> None:
    """A new draft."""
    given = _written(draft, sums)
    await _Q.run(conn, "insert", id=id, account_id=account_id, livemode=livemode, created_at=at, **given)


async def change(conn: Connection, id: str, draft: Draft, sums: Sums) -> None:
    """A locked draft as its merchant wants it now; its currency stays."""
    given = _written(draft, sums)
    del given["currency"]
    await _moved(conn, "change", id=id, **given)


async def insert_fees(
    conn: Connection, id: str, account_id: str, livemode: bool, month: date, draft: Draft, sums: Sums,
    at: datetime,
) -> None:  # fmt: skip
    """The fees of a month, withheld already; the month is claimed, so nobody else writes them."""
    given = _written(draft, sums)
    for name in ("due_at", "client_reference_id", "description", "metadata"):
        del given[name]
    await _Q.run(
        conn, "insert_fees", id=id, account_id=account_id, livemode=livemode, month=month, at=at, **given
    )  # fmt: skip


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, InvoiceRow]:
    """Several invoices by id; those that do not exist are missing."""
    return {row["id"]: _invoice(row) for row in await _Q.all(conn, "of_ids", ids=texts(ids))}


async def get(conn: Connection, id: str) -> InvoiceRow | None:
    """One invoice, as committed."""
    return (await of_ids(conn, [id])).get(id)


async def lock(conn: Connection, id: str) -> InvoiceRow | None:
    """One invoice, held until the transaction ends; who wants its intent too locks that first."""
    return None if await _Q.maybe(conn, "lock", id=id) is None else await get(conn, id)


async def advance_to_open(
    conn: Connection, row: InvoiceRow, seller: Seller, due_at: datetime, reminded: Reminder, at: datetime
) -> InvoiceRow:
    """A locked draft is final and has its number."""
    INVOICE.step(row.state, InvoiceEvent.FINALIZE)
    await _moved(
        conn, "advance_to_open",
        id=row.id, seller=Jsonb(seller._asdict()), due_at=due_at, reminded=int(reminded), at=at,
    )  # fmt: skip
    return (await of_ids(conn, [row.id]))[row.id]


async def advance(conn: Connection, row: InvoiceRow, event: InvoiceEvent, at: datetime) -> InvoiceRow:
    """A locked invoice moves; TransitionRefused when the table does not know the move."""
    to = INVOICE.step(row.state, event)
    await _moved(conn, "advance", id=row.id, from_=row.state, to=to, at=at)
    return (await of_ids(conn, [row.id]))[row.id]


async def advance_to_paid(conn: Connection, ids: Sequence[str], at: datetime) -> list[InvoiceRow]:
    """Invoices whose intents have succeeded, and are locked, are paid; in the order given. Raises: Halted."""
    paid = await _Q.all(conn, "advance_to_paid", ids=texts(ids), at=at)
    if len(paid) != len(ids):
        raise Halted(f"of invoices {', '.join(ids)} not all were waiting for their payment")
    rows = await of_ids(conn, ids)
    return [rows[id] for id in ids]


async def remind(conn: Connection, row: InvoiceRow, reminded: Reminder) -> InvoiceRow:
    """A reminder of a locked invoice was told; earlier ones are not any more."""
    await _moved(conn, "remind", id=row.id, reminded=int(reminded))
    return (await of_ids(conn, [row.id]))[row.id]


async def to_remind(conn: Connection, bounds: Sequence[datetime], *, limit: int) -> list[str]:
    """Ids of invoices with a reminder to be told. bounds: for each, due before which it is told."""
    return [row["id"] for row in await _Q.all(conn, "to_remind", bounds=list(bounds), limit=limit)]


async def closed_months(conn: Connection, *, limit: int) -> list[date]:
    """Months whose books are closed and whose fees stand in no invoices, by their first day."""
    return [row["month"] for row in await _Q.all(conn, "closed_months", limit=limit)]


async def fees_of_month(conn: Connection, month: date) -> list[FeesOfMonth]:
    """What was kept in a month, in the order of accounts, modes and currencies."""
    found = []
    for row in await _Q.all(conn, "fees_of_month", month=month):
        found.append(FeesOfMonth(**row | {k: int(row[k]) for k in ("gross", "share", "fixed")}))
    return found


async def claim_month(conn: Connection, month: date) -> bool:
    """The caller's transaction writes all fee invoices of the month; False when another does or did."""
    return bool(await _Q.run(conn, "claim_month", month=month))


async def _moved(conn: Connection, name: str, **given: Any) -> None:
    written = await _Q.run(conn, name, **given)
    assert written == 1, "the invoice is locked and in the state that was read"


def _written(draft: Draft, sums: Sums) -> dict[str, Any]:
    lines = [asdict(line) | {"unit_amount": str(line.unit_amount)} for line in draft.lines]
    return {name: getattr(draft, name) for name in Draft.__slots__} | {
        "lines": Jsonb(lines),
        "customer": Jsonb(draft.customer._asdict()),
        "seller": Jsonb(draft.seller._asdict()),
        "metadata": Jsonb(dict(draft.metadata)),
        "subtotal": Decimal(sums.subtotal),
        "tax": Decimal(sums.tax),
        "total": Decimal(sums.total),
    }


def _invoice(row: Row) -> InvoiceRow:
    values = row | {name: int(row[name]) for name in ("subtotal", "tax", "total", "received")}
    values["lines"] = tuple(Line(**line | {"unit_amount": int(line["unit_amount"])}) for line in row["lines"])
    values["customer"], values["seller"] = Party(**row["customer"]), Seller(**row["seller"])
    values["type"], values["state"] = InvoiceType(row["type"]), InvoiceState(row["state"])
    values["reminded"] = Reminder(row["reminded"])
    values["payment_state"] = None if row["payment_state"] is None else IntentState(row["payment_state"])
    return InvoiceRow(**values)
