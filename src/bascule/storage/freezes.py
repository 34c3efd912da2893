"""Rows of what is frozen, as the bridge knows it: by an operator, or by a break. Scopes: `domain.stops`."""

from __future__ import annotations

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("freezes")


async def set(conn: Connection, scope: str, *, frozen: bool, reason: str) -> None:
    """Freezes the scope, or releases it (the owner's login alone may)."""
    await _Q.run(conn, "set", scope=scope, frozen=frozen, reason=reason)


async def standing(conn: Connection) -> list[Row]:
    """All that is frozen now: scope, reason, at; the oldest first. What a break stops ends with the break."""
    return await _Q.all(conn, "standing")
