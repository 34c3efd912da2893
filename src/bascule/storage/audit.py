"""The audit log: lines are added, never changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("audit")


async def append(
    conn: Connection,
    *,
    actor: str,
    action: str,
    object_id: str,
    details: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Adds a line in the caller's transaction. actor: key_…, process:<name> or cli; no secrets."""
    await _Q.run(
        conn,
        "append",
        actor=actor,
        action=action,
        object_id=object_id,
        details=Jsonb(dict(details or {})),
        request_id=request_id,
    )


async def of_object(conn: Connection, object_id: str) -> list[Row]:
    """What was done to an object, oldest first."""
    return await _Q.all(conn, "of_object", object_id=object_id)


async def get_many(conn: Connection, ids: Sequence[int]) -> list[Row]:
    """These lines, newest first, without their details."""
    return await _Q.all(conn, "of_ids", ids=list(ids))
