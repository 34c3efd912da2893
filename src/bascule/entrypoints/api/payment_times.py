"""/v1/payment_intents/{id}/extend and /timeline: more time, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bascule.entrypoints.api import lists, objects, told_objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Listed, Params, UnixSeconds
from bascule.entrypoints.api.shape import ListOf
from bascule.services import intents
from bascule.storage import events, payment_intents
from bascule.storage.database import Connection
from bascule.storage.listing import EVENTS


class PaymentIntentExtend(Params):
    """Until when it can be paid, and until when late money still counts; the latter moves along."""

    expires_at: UnixSeconds
    closes_at: UnixSeconds | None = None


async def extend(call: Call[PaymentIntentExtend], conn: Connection) -> dict[str, Any]:
    """Gives an open intent more time; addresses and amount stay."""
    row = await intents.own(conn, call.id("pi"), call.account_id, call.livemode, lock=True)
    return await call.deps.extending.extend(
        conn, row, expires_at=call.params.expires_at, closes_at=call.params.closes_at, context=call.context
    )


async def timeline(call: Call[Listed], conn: Connection) -> dict[str, Any]:
    """The events of an intent and of what arrived for it, newest first."""
    lists.expanding(call.params, frozenset())
    row = await intents.own(conn, call.id("pi"), call.account_id, call.livemode)
    about = [row.id, *(each.id for each in await payment_intents.deposits_of(conn, [row.id]))]
    return await lists.answer(call, conn, EVENTS, _describe, filters=[EVENTS.c.object_id.in_(about)])


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [orjson.loads(event.body) for event in await events.get_many(conn, ids)]


_PATH = "/v1/payment_intents/{id}"

OPERATIONS = (
    Operation(
        "POST", f"{_PATH}/extend", "extend_payment_intent", "Give a payment intent more time",
        "payment_intents:write", extend, PaymentIntentExtend, objects.PaymentIntent, "optional",
        conflicts=True, example={"expires_at": 1796083200},
    ),
    Operation(
        "GET", f"{_PATH}/timeline", "get_payment_intent_timeline", "List what happened to it",
        "payment_intents:read", timeline, Listed, ListOf[told_objects.Event],
    ),
)  # fmt: skip
