"""Test clocks: deadlines of one account's test objects come nearer. No live row is touched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("test_clocks")


async def advance(conn: Connection, account_id: str, *, seconds: int, reached: datetime) -> Mapping[str, int]:
    """How many objects of each kind have a deadline that is nearer by so many seconds.

    reached: the block time up to which payments count as made; no intent's deadline comes before it.
    """
    row = await _Q.one(conn, "advance", account_id=account_id, seconds=seconds, reached=reached)
    return dict(row)
