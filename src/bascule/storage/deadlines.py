"""What is overdue: intents to expire or to close. Reads only."""

from __future__ import annotations

from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("deadlines")


async def intents_to_expire(conn: Connection, now: datetime, *, limit: int) -> list[str]:
    """Open intents past `expires_at` without the flag that says so."""
    return [row["id"] for row in await _Q.all(conn, "intents_to_expire", now=now, limit=limit)]


async def intents_to_close(conn: Connection, now: datetime, *, limit: int) -> list[str]:
    """Open intents past `closes_at` by the block time of every accepted chain as far as we have read it."""
    return [row["id"] for row in await _Q.all(conn, "intents_to_close", now=now, limit=limit)]


async def may_close(conn: Connection, intent_id: str) -> bool:
    """Whether every accepted chain has been read past the intent's `closes_at`."""
    return bool(await _Q.scalar(conn, "may_close", id=intent_id))
