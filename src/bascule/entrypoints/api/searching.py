"""/v1/payment_intents/search: intents by what is known of them, in Stripe's query language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from sqlalchemy import and_, false, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

from bascule.domain.chain import parse_address
from bascule.domain.errors import Rejected
from bascule.domain.money import parse_amount
from bascule.domain.search import QUERY_MAX, Clause, parse
from bascule.entrypoints.api import lists, objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expand, Id, Params
from bascule.entrypoints.api.payment_intents import EXPANDABLE, described
from bascule.entrypoints.api.shape import Shape
from bascule.storage import listing
from bascule.storage.database import Connection
from bascule.storage.listing import APPLICATIONS, DEPOSIT_ADDRESSES, DEPOSITS, PAYMENT_INTENTS, Wanted

Condition = ColumnElement[bool]
SAME = frozenset({":"})
FIELDS: Mapping[str, frozenset[str]] = {
    "status": SAME, "currency": SAME, "client_reference_id": SAME, "metadata": SAME, "address": SAME,
    "tx_hash": SAME, "amount": frozenset({":", "<", "<=", ">", ">="}),
    "created": frozenset({":", "<", "<=", ">", ">="}),
}  # fmt: skip
_I = PAYMENT_INTENTS.c


class IntentSearch(Params):
    """What to look for, and which page of what was found."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=QUERY_MAX)]
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    page: Annotated[Id | None, Field(description="next_page of the page before.")] = None
    expand: Expand = []


class IntentsFound(Shape):
    """A page of what was found, newest first."""

    object: Literal["search_result"]
    url: str
    has_more: bool
    next_page: str | None
    data: list[objects.PaymentIntent]


async def search(call: Call[IntentSearch], conn: Connection) -> dict[str, Any]:
    """Intents of the caller by status, amount, currency, created, metadata, reference, address or tx_hash."""
    params = call.params
    names = lists.expanding(params, EXPANDABLE, prefix="data.")
    query = parse(params.query, FIELDS)
    conditions = [_condition(clause) for clause in query.clauses]
    mine = [_I.account_id == call.account_id, _I.livemode == call.livemode]
    together = or_(*conditions) if query.any else and_(*conditions)
    page = await listing.page(
        conn, PAYMENT_INTENTS, mine, [together], Wanted(params.limit, params.page), after_param="page"
    )
    return {
        "object": "search_result",
        "url": call.url_path,
        "has_more": page.has_more,
        "next_page": page.ids[-1] if page.has_more else None,
        "data": await described(conn, page.ids, names),
    }


def _condition(clause: Clause) -> Condition:
    found = _MEANINGS[clause.field](clause)
    return not_(found) if clause.negated else found


def _text(column: ColumnElement[Any]) -> Callable[[Clause], Condition]:
    def meant(clause: Clause) -> Condition:
        found: Condition = column.is_(None) if clause.value is None else column == clause.value
        return found

    return meant


def _metadata(clause: Clause) -> Condition:
    value = _I.metadata[clause.key].astext
    # what is absent equals nothing, so that its negation holds
    found: Condition = value.is_not_distinct_from(clause.value)
    return found


def _amount(clause: Clause) -> Condition:
    due = parse_amount(_needed(clause), "usdc", param="query").units  # all currencies have one scale
    return _compared(_I.due, clause, Decimal(due))


def _created(clause: Clause) -> Condition:
    text = _needed(clause)
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise _wrong("created is compared with unix seconds")
    return _compared(_I.created_at, clause, datetime.fromtimestamp(int(text), UTC))


def _compared(column: ColumnElement[Any], clause: Clause, value: Any) -> Condition:
    by: Mapping[str, Condition] = {
        ":": column == value, "<": column < value, "<=": column <= value, ">": column > value,
        ">=": column >= value,
    }  # fmt: skip
    return by[clause.op]


def _address(clause: Clause) -> Condition:
    address = bytes(parse_address(_needed(clause), param="query"))
    shown = select(DEPOSIT_ADDRESSES.c.intent_id).where(DEPOSIT_ADDRESSES.c.address == address)
    return _I.id.in_(shown)


def _tx_hash(clause: Clause) -> Condition:
    text = _needed(clause).removeprefix("0x")
    try:
        tx_hash = bytes.fromhex(text)
    except ValueError:
        raise _wrong("a tx_hash is 0x and 64 hexadecimal digits") from None
    if len(tx_hash) != 32:
        return false()
    paid = (
        select(APPLICATIONS.c.intent_id)
        .join(DEPOSITS, DEPOSITS.c.id == APPLICATIONS.c.deposit_id)
        .where(DEPOSITS.c.tx_hash == tx_hash, APPLICATIONS.c.intent_id.is_not(None))
    )
    return _I.id.in_(paid)


def _needed(clause: Clause) -> str:
    if clause.value is None:
        raise _wrong(f"{clause.field} is never null")
    return clause.value


def _wrong(why: str) -> Rejected:
    return Rejected("search_invalid", f"The query cannot be read: {why}.", param="query")


_MEANINGS: Mapping[str, Callable[[Clause], Condition]] = {
    "status": _text(_I.state), "currency": _text(_I.currency), "metadata": _metadata, "amount": _amount,
    "client_reference_id": _text(_I.client_reference_id), "created": _created, "address": _address,
    "tx_hash": _tx_hash,
}  # fmt: skip

OPERATIONS = (
    Operation(
        "GET", "/v1/payment_intents/search", "search_payment_intents", "Search payment intents",
        "payment_intents:read", search, IntentSearch, IntentsFound,
    ),
)  # fmt: skip
