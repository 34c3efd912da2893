"""/v1/refunds: money of a payment goes back, to where its customer says by a link or a signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    AddressText,
    Amount,
    Expandable,
    Id,
    Listed,
    Metadata,
    Nothing,
    Params,
    Text200,
    Text1000,
    UnixSeconds,
)
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, Decimal6, ListOf, Seconds, Shape
from bascule.services import refund_view, refunds
from bascule.services.refund_request import RefundRequest
from bascule.storage.database import Connection
from bascule.storage.listing import REFUNDS

RefundStatus = Literal["requires_action", "pending", "succeeded", "failed", "canceled"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]


class DepositRefund(Params):
    """A deposit that counts for nothing goes back, all of it."""

    to: AddressText = Field(default=None, description="Only with `payer_signature`; else a claim link asks.")
    payer_signature: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")] | None = None
    claim_expires_at: UnixSeconds | None = None
    reason: RefundReason | None = None
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    metadata: Metadata = {}


class RefundCreate(DepositRefund):
    """What goes back of a payment: all that is left, or `amount`, or only what was too much."""

    payment_intent: Id
    amount: Annotated[Amount | None, Field(description="All that is left when missing.")] = None
    overpayment_only: bool = False
    token: Annotated[Id | None, Field(description="Where the payment came in several tokens.")] = None


class RefundList(Listed):
    """Filters of refunds."""

    status: RefundStatus | None = None
    payment_intent: Id | None = None
    deposit: Id | None = None
    client_reference_id: Text200 | None = None


class RefundDestination(Shape):
    """Where the money goes. pays_at: the end of the cool-off, until when it can be stopped for sure."""

    mode: Literal["claim_link", "verified_payer"]
    to: AddressOut | None
    payer: AddressOut | None
    claim_expires_at: Seconds | None
    claimed_at: Seconds | None
    pays_at: Seconds | None


class RefundAction(Shape):
    """What must happen next. url: the claim link, in the answer that made the refund alone."""

    type: Literal["claim", "cool_off", "add_funds", "review_policy", "approve_payout"]
    next_step: str
    until: Seconds | None
    url: str | None


class Refund(Shape):
    """Money of a payment or a deposit that goes back. waits_for: why a pending one has no payout yet."""

    id: str
    object: Literal["refund"]
    payment_intent: str | None
    deposit: str | None
    amount: Decimal6
    amount_atomic: Atomic
    currency: str
    decimals: int
    token: str
    network: Caip2
    status: RefundStatus
    destination: RefundDestination
    waits_for: str | None
    next_action: RefundAction | None
    failure_code: str | None
    payout: str | None
    reason: RefundReason | None
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    created: Seconds
    ended_at: Seconds | None
    version: int


async def create(call: Call[RefundCreate], conn: Connection) -> dict[str, Any]:
    """A new refund. Its claim link is in this answer alone, and in its replay by the same Idempotency-Key."""
    return await _request(call, conn, RefundRequest(**call.params.model_dump()))


async def create_of_deposit(call: Call[DepositRefund], conn: Connection) -> dict[str, Any]:
    """A new refund of an unapplied deposit, all of it; its claim link is told as by `create`."""
    of = RefundRequest(payment_intent=None, deposit=call.id("dep"), **call.params.model_dump())
    return await _request(call, conn, of)


async def _request(call: Call[Any], conn: Connection, request: RefundRequest) -> dict[str, Any]:
    assert call.idempotency_key is not None, "the operation requires a key"
    return await call.deps.refunds.request(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=request,
        idempotency_key=call.idempotency_key,
        requested_by=call.caller.key_id,
        context=call.context,
    )


def with_link(call: Call[Any], answer: bytes) -> bytes:
    """The answer with the claim link in it, while somebody is to use it."""
    shown = orjson.loads(answer)
    action = shown["next_action"]
    if action is None or action["type"] != "claim":
        return answer
    action["url"] = call.deps.public_url + call.deps.refunds.link(shown["id"])
    return orjson.dumps(shown)


async def cancel(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Calls a refund off, also after its claim, until its payout is in a signed batch."""
    return await call.deps.refunds.cancel(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        refund_id=call.id("re"),
        requested_by=call.caller.key_id,
        context=call.context,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One refund."""
    lists.expanding(call.params, frozenset())
    row = await refunds.own(conn, call.id("re"), call.account_id, call.livemode)
    [shown] = await refund_view.describe_rows(conn, [row], call.deps.clock.now())
    return shown


async def list_all(call: Call[RefundList], conn: Connection) -> dict[str, Any]:
    """The caller's refunds."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(
        REFUNDS,
        state=params.status,
        payment_intent_id=params.payment_intent,
        deposit_id=params.deposit,
        client_reference_id=params.client_reference_id,
    )

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await refund_view.describe(conn, ids, call.deps.clock.now())

    return await lists.answer(call, conn, REFUNDS, describe, filters=filters)


_PATH = "/v1/refunds"
_READ, _WRITE = "refunds:read", "refunds:write"
_CREATE = {
    "payment_intent": "pi_01jd3k9fz8e5v2s6m4x7q0c1bn",
    "amount": "5.00",
    "reason": "requested_by_customer",
}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_refund", "Give money back", _WRITE, create, RefundCreate, Refund, "required",
        conflicts=True, example=_CREATE, told_once=with_link,
    ),
    Operation(
        "POST", "/v1/deposits/{id}/refund", "refund_deposit", "Give a deposit back", _WRITE,
        create_of_deposit, DepositRefund, Refund, "required", conflicts=True, example={"reason": "duplicate"},
        told_once=with_link,
    ),
    Operation("GET", _PATH, "list_refunds", "List refunds", _READ, list_all, RefundList, ListOf[Refund]),
    Operation("GET", f"{_PATH}/{{id}}", "get_refund", "Read a refund", _READ, retrieve, Expandable, Refund),
    Operation(
        "POST", f"{_PATH}/{{id}}/cancel", "cancel_refund", "Call a refund off", _WRITE, cancel, Nothing,
        Refund, "optional", conflicts=True,
    ),
)  # fmt: skip
