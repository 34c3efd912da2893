"""The audit log: lines are added, never changed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("audit")


class Line(NamedTuple):
    """Who did what. actor: key_…, process:<name> or cli; details: plain JSON, no secrets."""

    actor: str
    action: str
    object_id: str
    details: Mapping[str, Any]
    request_id: str | None = None


async def append(
    conn: Connection,
    *,
    actor: str,
    action: str,
    object_id: str,
    details: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Adds one `Line` in the caller's transaction."""
    await append_many(conn, [Line(actor, action, object_id, details or {}, request_id)])


async def append_many(conn: Connection, lines: Sequence[Line]) -> None:
    """Adds lines in the caller's transaction, in this order."""
    told = [line._asdict() | {"details": dict(line.details)} for line in lines]
    await _Q.run(conn, "append", lines=json.dumps(told))


async def of_object(conn: Connection, object_id: str) -> list[Row]:
    """What was done to an object, oldest first."""
    return await _Q.all(conn, "of_object", object_id=object_id)


async def get_many(conn: Connection, ids: Sequence[int]) -> list[Row]:
    """These lines, newest first, without their details."""
    return await _Q.all(conn, "of_ids", ids=list(ids))
