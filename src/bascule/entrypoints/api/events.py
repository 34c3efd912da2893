"""/v1/events: everything that happened to an account, numbered without holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import select

from bascule.domain.errors import NotFound, Rejected
from bascule.entrypoints.api import event_stream, lists, told_objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import EventList, Expandable
from bascule.entrypoints.api.shape import ListOf
from bascule.storage import events
from bascule.storage.database import Connection
from bascule.storage.listing import EVENTS, Page, run


async def list_all(call: Call[EventList], conn: Connection) -> dict[str, Any]:
    """The caller's events, newest first; with `after_sequence` oldest first from there, as numbered."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(EVENTS, type=params.type, object_id=params.object)
    if params.types is not None:
        filters.append(EVENTS.c.type.in_(params.types))
    if params.after_sequence is None:
        return await lists.answer(call, conn, EVENTS, _describe, filters=filters)
    if params.starting_after or params.ending_before or params.created:
        raise Rejected(
            "parameter_invalid",
            "after_sequence goes with types, type, object and limit.",
            param="after_sequence",
        )
    statement = (
        select(EVENTS.c.id)
        .where(
            EVENTS.c.account_id == call.account_id,
            EVENTS.c.livemode == call.livemode,
            EVENTS.c.account_sequence > params.after_sequence,
            *filters,
        )
        .order_by(EVENTS.c.account_sequence)
        .limit(params.limit + 1)
    )
    ids = [row[0] for row in await run(conn, statement)]
    page = Page(ids[: params.limit], len(ids) > params.limit)
    return lists.envelope(call, await _describe(conn, page.ids), more=page.has_more)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One event."""
    lists.expanding(call.params, frozenset())
    id = call.id("evt")
    event = await events.get(conn, id)
    if event is None or (event.account_id, event.livemode) != (call.account_id, call.livemode):
        raise NotFound("resource_missing", f"No such event: {id!r:.70}.", param="id")
    shown: dict[str, Any] = orjson.loads(event.body)
    return shown


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [orjson.loads(event.body) for event in await events.get_many(conn, ids)]


OPERATIONS = (
    Operation(
        "GET", "/v1/events", "list_events", "List events", "events:read", list_all, EventList,
        ListOf[told_objects.Event],
    ),
    event_stream.OPERATION,
    Operation(
        "GET", "/v1/events/{id}", "get_event", "Read an event", "events:read", retrieve, Expandable,
        told_objects.Event,
    ),
)  # fmt: skip
