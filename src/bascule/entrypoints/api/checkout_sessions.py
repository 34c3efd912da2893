"""/v1/checkout/sessions: a hosted page for one payment, and the way back from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from sqlalchemy import select

from bascule.domain.checkout import STATUS_OF
from bascule.domain.errors import Rejected
from bascule.entrypoints.api import lists, objects, payment_intents
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    Expand,
    Expandable,
    Id,
    Listed,
    Params,
    PaymentIntentCreate,
    Url,
    any_of,
)
from bascule.entrypoints.api.shape import Decimal6, ListOf, Seconds, Shape
from bascule.services.checkout_sessions import SessionRequest, own
from bascule.services.checkout_view import shown
from bascule.storage import checkout_sessions
from bascule.storage.database import Connection
from bascule.storage.listing import CHECKOUT_SESSIONS, PAYMENT_INTENTS

EXPANDABLE = frozenset({"payment_intent"})
CheckoutSessionStatus = Literal["open", "complete", "expired"]
_OF_THE_PAGE = {"payment_intent", "success_url", "cancel_url", "mode", "expand"}

SuccessUrl = Annotated[
    Url | None,
    Field(
        description="Where the payer goes once it is paid; {CHECKOUT_SESSION_ID} stands for the session's id."
    ),
]
CancelUrl = Annotated[Url | None, Field(description="Where the payer goes who does not want to pay.")]


class CheckoutSessionCreate(PaymentIntentCreate):
    """What the page asks for: a new payment intent, by the same parameters as one, or one that waits."""

    model_config = ConfigDict(
        json_schema_extra=any_of(("amount", "currency"), ("quote",), ("payment_intent",))
    )

    payment_intent: Id | None = None
    success_url: SuccessUrl = None
    cancel_url: CancelUrl = None
    mode: Literal["payment"] = "payment"


class CheckoutSessionExpire(Params):
    """What to show of the session that is ended."""

    expand: Expand = []


class CheckoutSessionList(Listed):
    """Filters of checkout sessions."""

    status: CheckoutSessionStatus | None = None
    payment_intent: Id | None = None


class CheckoutSession(Shape):
    """A hosted page for one payment. expires_at: what it tells the payer; closes_at: when late money is."""

    id: str
    object: Literal["checkout.session"]
    mode: Literal["payment"]
    status: CheckoutSessionStatus = Field(
        description="That of its payment intent: complete once it has succeeded, expired once it is canceled."
    )
    payment_status: Literal["paid", "unpaid"]
    url: str | None = Field(description="The page; null once the session is over.")
    payment_intent: str | objects.PaymentIntent = Field(
        title="Intent of the session",  # its own name would hide the object's from generators of clients
        description="An id, or the payment intent when expanded.",
    )
    amount_total: Decimal6
    currency: str
    success_url: str | None
    cancel_url: str | None
    expires_at: Seconds
    closes_at: Seconds
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    created: Seconds
    version: int


async def create(call: Call[CheckoutSessionCreate], conn: Connection) -> dict[str, Any]:
    """A new page, with a payment intent of its own or for one that waits for its money."""
    params = call.params
    names = lists.expanding(params, EXPANDABLE)
    asks = payment_intents.asked(params) if params.payment_intent is None else _wrapped(params)
    session = await call.deps.checkout_sessions.create(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=SessionRequest(asks, params.success_url, params.cancel_url),
        context=call.context,
    )
    return (await _expand(conn, [session], names))[0]


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One checkout session."""
    names = lists.expanding(call.params, EXPANDABLE)
    row = await own(conn, call.id("cs"), call.account_id, call.livemode)
    return (await _expand(conn, [shown(row, call.deps.public_url)], names))[0]


async def expire(call: Call[CheckoutSessionExpire], conn: Connection) -> dict[str, Any]:
    """Ends an open session and calls its payment intent off."""
    names = lists.expanding(call.params, EXPANDABLE)
    session = await call.deps.checkout_sessions.expire(
        conn, call.id("cs"), call.account_id, call.livemode, call.context
    )
    return (await _expand(conn, [session], names))[0]


async def list_all(call: Call[CheckoutSessionList], conn: Connection) -> dict[str, Any]:
    """The caller's checkout sessions."""
    params = call.params
    names = lists.expanding(params, EXPANDABLE, prefix="data.")

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows = await checkout_sessions.get_many(conn, ids)
        return await _expand(conn, [shown(row, call.deps.public_url) for row in rows], names)

    filters = lists.exact(CHECKOUT_SESSIONS, payment_intent_id=params.payment_intent)
    if params.status is not None:
        states = [state for state, status in STATUS_OF.items() if status == params.status]
        intent = PAYMENT_INTENTS.c
        filters.append(
            select(intent.id)
            .where(intent.id == CHECKOUT_SESSIONS.c.payment_intent_id, intent.state.in_(states))
            .exists()
        )
    return await lists.answer(call, conn, CHECKOUT_SESSIONS, describe, filters=filters)


def _wrapped(params: CheckoutSessionCreate) -> str:
    """The intent that is named; what says how to make one says nothing then."""
    assert params.payment_intent is not None, "asked by who has seen it"
    for name in sorted(params.model_fields_set - _OF_THE_PAGE):
        raise Rejected("parameter_invalid", "The payment intent says it; leave this out.", param=name)
    return params.payment_intent


async def _expand(
    conn: Connection, sessions: list[dict[str, Any]], names: frozenset[str]
) -> list[dict[str, Any]]:
    if "payment_intent" not in names:
        return sessions
    wanted = [session["payment_intent"] for session in sessions]
    found = {intent["id"]: intent for intent in await payment_intents.described(conn, wanted, frozenset())}
    return [session | {"payment_intent": found[session["payment_intent"]]} for session in sessions]


_PATH = "/v1/checkout/sessions"
_READ, _WRITE = "checkout_sessions:read", "checkout_sessions:write"
_EXAMPLE = {
    "amount": "25.00", "currency": "usdc", "description": "Lamp, oak",
    "success_url": "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cart",
}  # fmt: skip

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_checkout_session", "Make a page to pay on", _WRITE, create,
        CheckoutSessionCreate, CheckoutSession, "optional", conflicts=True, example=_EXAMPLE,
    ),
    Operation(
        "GET", _PATH, "list_checkout_sessions", "List checkout sessions", _READ, list_all,
        CheckoutSessionList, ListOf[CheckoutSession],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_checkout_session", "Read a checkout session", _READ, retrieve,
        Expandable, CheckoutSession,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/expire", "expire_checkout_session", "End a checkout session", _WRITE,
        expire, CheckoutSessionExpire, CheckoutSession, "optional", conflicts=True,
    ),
)  # fmt: skip
