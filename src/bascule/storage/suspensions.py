"""Suspensions of tokens: while one stands, its token is not offered, credited or paid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bascule.domain.chain import ChainId
from bascule.storage.arrays import numbers
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("suspensions")


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a token is suspended. evidence: what was seen, as people are shown it."""

    id: int
    token_id: str
    cause: str
    evidence: Mapping[str, Any]
    opened_at: datetime


async def open(
    conn: Connection, token_id: str, cause: str, evidence: Mapping[str, Any], at: datetime
) -> int | None:
    """Suspends the token; the suspension's id, or None when one of that cause stands already."""
    row = await _sql.maybe(
        conn, "open", token_id=token_id, cause=cause, evidence=Jsonb(dict(evidence)), opened_at=at
    )
    return None if row is None else int(row["id"])


async def close(
    conn: Connection, token_id: str, *, cause: str | None = None, by: str, reason: str, at: datetime
) -> list[Suspension]:
    """Ends what stands against the token, of one cause only if it is named; what was ended."""
    rows = await _sql.all(
        conn, "close", token_id=token_id, cause=cause, ended_by=by, reason=reason, ended_at=at
    )
    return [Suspension(**row) for row in rows]


async def open_now(conn: Connection) -> list[Suspension]:
    """All that stand, the oldest first."""
    return [Suspension(**row) for row in await _sql.all(conn, "open_now")]


async def unsettled(conn: Connection, chain_id: ChainId) -> list[int]:
    """Those of the chain that ended, and of which something may still wait to be booked."""
    return [int(row["id"]) for row in await _sql.all(conn, "unsettled", chain_id=chain_id)]


async def settle(conn: Connection, ids: Sequence[int]) -> None:
    """Marks what waited for these as booked. They had ended before the caller began to book that."""
    await _sql.run(conn, "settle", ids=numbers(ids))
