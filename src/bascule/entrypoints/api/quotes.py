"""/v1/quotes: a fiat price as an amount of a token, at a locked rate."""

from __future__ import annotations

from typing import Any

from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Listed, Nothing, QuoteCreate
from bascule.entrypoints.api.quote_shapes import Quote
from bascule.entrypoints.api.shape import ListOf
from bascule.services.quotes import QuoteRequest
from bascule.storage.database import Connection
from bascule.storage.listing import QUOTES


async def create(call: Call[QuoteCreate], conn: Connection) -> dict[str, Any]:
    """Locks a rate. Nothing is asked of a source now: the newest kept prices decide."""
    params = call.params
    request = QuoteRequest(params.amount, params.currency, params.to_currency, params.lock_seconds)
    return await call.deps.quotes.create(
        conn, account_id=call.account_id, livemode=call.livemode, request=request
    )


async def retrieve(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """One quote, with what each source said."""
    return await call.deps.quotes.own(conn, call.id("qt"), call.account_id, call.livemode)


async def list_all(call: Call[Listed], conn: Connection) -> dict[str, Any]:
    """The caller's quotes."""
    lists.expanding(call.params, frozenset())
    return await lists.answer(call, conn, QUOTES, call.deps.quotes.describe)


_EXAMPLE = {"amount": "25.00", "currency": "eur", "to_currency": "usdc"}
_PATH = "/v1/quotes"

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_quote", "Lock a rate", "quotes:write", create, QuoteCreate, Quote, "optional",
        example=_EXAMPLE,
    ),
    Operation(
        "GET", _PATH, "list_quotes", "List quotes", "quotes:read", list_all, Listed, ListOf[Quote],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_quote", "Read a quote", "quotes:read", retrieve, Nothing, Quote,
    ),
)  # fmt: skip
