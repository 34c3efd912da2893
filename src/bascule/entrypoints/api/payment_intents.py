"""/v1/payment_intents: money asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from bascule.domain.errors import Rejected
from bascule.entrypoints.api import deposit_objects, deposits, lists, objects
from bascule.entrypoints.api.effects import Together
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    Expandable,
    IntentDepositList,
    PaymentIntentCancel,
    PaymentIntentCreate,
    PaymentIntentList,
    PaymentIntentUpdate,
)
from bascule.entrypoints.api.shape import ListOf
from bascule.services import deposits as deposit_view
from bascule.services import intents
from bascule.services.intent_request import MISSING, Choice
from bascule.services.intents import IntentRequest, Order, Owned
from bascule.storage.database import Connection
from bascule.storage.listing import PAYMENT_INTENTS
from bascule.storage.payment_intents import IntentRow

EXPANDABLE = frozenset({"latest_deposit"})
METADATA_KEYS = 50


async def create(
    calls: Sequence[Call[PaymentIntentCreate]], conn: Connection
) -> list[dict[str, Any] | Rejected]:
    """A new intent."""
    orders: list[Order | Rejected] = []
    for call in calls:
        try:
            lists.expanding(call.params, EXPANDABLE)  # a new intent has no deposit to be shown whole
            orders.append(Order(call.account_id, call.livemode, asked(call.params), call.context))
        except Rejected as refused:
            orders.append(refused)
    wanted = [order for order in orders if not isinstance(order, Rejected)]
    made = iter(await calls[0].deps.intents.create_many(conn, wanted))
    return [order if isinstance(order, Rejected) else next(made) for order in orders]


def asked(params: PaymentIntentCreate) -> IntentRequest:
    """The parameters of a new intent as the use-case takes them."""
    accepted = None if params.accepted is None else [Choice(a.network, a.token) for a in params.accepted]
    return IntentRequest(
        amount=params.amount if "amount" in params.model_fields_set else MISSING,
        currency=params.currency,
        quote=params.quote,
        accepted=accepted,
        expires_at=params.expires_at,
        closes_at=params.closes_at,
        underpay_tolerance_bps=params.policy.underpay_tolerance_bps,
        underpay_tolerance_abs=params.policy.underpay_tolerance_abs,
        late=params.policy.late,
        overpay=params.policy.overpay,
        finality=params.policy.finality,
        client_reference_id=params.client_reference_id,
        description=params.description,
        metadata=params.metadata,
    )


async def retrieve(calls: Sequence[Call[Expandable]], conn: Connection) -> list[dict[str, Any] | Rejected]:
    """One intent."""
    wanted = [_wanted(call) for call in calls]
    owned = [each for each in wanted if not isinstance(each, Rejected)]
    looked = await intents.look_at_each(conn, [each.intent for each in owned])
    found: list[dict[str, Any] | Rejected]
    found = [each if isinstance(each, Rejected) else each[1] for each in looked]
    for names in {each.names for each in owned}:  # one statement for all who name the same
        alike = {
            n: each for n, each in enumerate(found) if isinstance(each, dict) and owned[n].names == names
        }
        for n, each in zip(alike, await _expand(conn, list(alike.values()), names), strict=True):
            found[n] = each
    told = iter(found)
    return [each if isinstance(each, Rejected) else next(told) for each in wanted]


class _Wanted(NamedTuple):
    """An intent, and what of it is to be expanded."""

    intent: Owned
    names: frozenset[str]


def _wanted(call: Call[Expandable]) -> _Wanted | Rejected:
    """What the call asks for, or why that is refused."""
    try:
        names = lists.expanding(call.params, EXPANDABLE)
        return _Wanted(Owned(call.id("pi"), call.account_id, call.livemode), names)
    except Rejected as refused:
        return refused


async def update(call: Call[PaymentIntentUpdate], conn: Connection) -> dict[str, Any]:
    """The merchant's own words about an intent."""
    names = lists.expanding(call.params, EXPANDABLE)
    row = await _own(call, conn, lock=True)
    metadata = call.params.metadata
    if metadata == "":
        metadata = dict.fromkeys(row.metadata, "")
    if len({**row.metadata, **(metadata or {})}) > METADATA_KEYS:
        raise Rejected("parameter_invalid", f"At most {METADATA_KEYS} keys.", param="metadata")
    shown = await call.deps.intents.update(conn, row, description=call.params.description, metadata=metadata)
    return (await _expand(conn, [shown], names))[0]


async def cancel(call: Call[PaymentIntentCancel], conn: Connection) -> dict[str, Any]:
    """Calls an intent off."""
    names = lists.expanding(call.params, EXPANDABLE)
    row = await _own(call, conn, lock=True)
    shown = await call.deps.intents.cancel(
        conn, row, reason=call.params.cancellation_reason, context=call.context
    )
    return (await _expand(conn, [shown], names))[0]


async def list_all(call: Call[PaymentIntentList], conn: Connection) -> dict[str, Any]:
    """The caller's intents."""
    params = call.params
    names = lists.expanding(params, EXPANDABLE, prefix="data.")

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await described(conn, ids, names)

    filters = lists.exact(
        PAYMENT_INTENTS,
        state=params.status,
        currency=params.currency,
        client_reference_id=params.client_reference_id,
    )
    return await lists.answer(call, conn, PAYMENT_INTENTS, describe, filters=filters)


async def described(conn: Connection, ids: Sequence[str], names: frozenset[str]) -> list[dict[str, Any]]:
    """These intents, newest first, with what `names` expands."""
    return await _expand(conn, await intents.describe_many(conn, ids), names)


async def list_deposits(call: Call[IntentDepositList], conn: Connection) -> dict[str, Any]:
    """Everything that arrived at one intent's addresses."""
    row = await _own(call, conn)
    return await deposits.page_of(call, conn, intent_id=row.id)


async def _own(call: Call[Any], conn: Connection, *, lock: bool = False) -> IntentRow:
    return await intents.own(conn, call.id("pi"), call.account_id, call.livemode, lock=lock)


async def _expand(
    conn: Connection, shown: list[dict[str, Any]], names: frozenset[str]
) -> list[dict[str, Any]]:
    if "latest_deposit" not in names:
        return shown
    wanted = [intent["latest_deposit"] for intent in shown if intent["latest_deposit"]]
    found = {deposit["id"]: deposit for deposit in await deposit_view.describe_many(conn, wanted)}
    return [intent | {"latest_deposit": found.get(intent["latest_deposit"])} for intent in shown]


_EXAMPLE = {"amount": "25.00", "currency": "usdc", "metadata": {"order": "6735"}}
_PATH = "/v1/payment_intents"
_READ, _WRITE = "payment_intents:read", "payment_intents:write"

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_payment_intent", "Ask for money", _WRITE, Together(create),
        PaymentIntentCreate, objects.PaymentIntent, "optional", example=_EXAMPLE,
    ),
    Operation(
        "GET", _PATH, "list_payment_intents", "List payment intents", _READ, list_all, PaymentIntentList,
        ListOf[objects.PaymentIntent],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_payment_intent", "Read a payment intent", _READ,
        Together(retrieve), Expandable, objects.PaymentIntent,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}", "update_payment_intent", "Change description or metadata", _WRITE, update,
        PaymentIntentUpdate, objects.PaymentIntent, "optional", example={"metadata": {"order": "6736"}},
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/cancel", "cancel_payment_intent", "Call a payment intent off", _WRITE,
        cancel, PaymentIntentCancel, objects.PaymentIntent, "optional", conflicts=True,
        example={"cancellation_reason": "abandoned"},
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}/deposits", "list_payment_intent_deposits", "List what arrived for it", _READ,
        list_deposits, IntentDepositList, ListOf[deposit_objects.Deposit],
    ),
)  # fmt: skip
