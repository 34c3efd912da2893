"""Rows of what an operator stopped, in the signer's own memory. Scopes: `domain.stops`."""

from __future__ import annotations

from collections.abc import Collection

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("signer_stops")


async def set(conn: Connection, scope: str, *, stopped: bool, reason: str) -> None:
    """Stops the scope, or releases it (the owner's login alone may)."""
    await Q.run(conn, "set", scope=scope, stopped=stopped, reason=reason)


async def among(conn: Connection, scopes: Collection[str]) -> frozenset[str]:
    """Those of `scopes` that are stopped now."""
    return frozenset([row["scope"] for row in await Q.all(conn, "among", scopes=list(scopes))])


async def standing(conn: Connection) -> list[Row]:
    """All that is stopped now: scope, reason, by, at; the oldest first."""
    return await Q.all(conn, "standing")
