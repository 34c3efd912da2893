"""Seals of the journal and the audit log, and the rows they are of."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from bascule.domain.seal import STREAMS, Line, Seal
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("seals")
_AT_ONCE = 100  # seals in one statement
LOWEST = -(2**63)


@dataclass(frozen=True)
class Reach:
    """Up to which ledger transaction, line of audit and payout; by default up to none."""

    ledger: int = LOWEST
    audit: int = LOWEST
    payouts: int = LOWEST


@dataclass(frozen=True)
class Kept:
    """A seal with the stretch it closes."""

    seal: Seal
    reach: Reach


async def settled(conn: Connection, stream: str) -> int:
    """Up to which row of a stream nothing is under way any more.

    Its writers wait until the caller's transaction ends, which does nothing else. Raises: Retryable when
    somebody writes for longer than a quarter of a second.
    """
    await _Q.run(conn, "briefly")
    return int(await _Q.scalar(conn, "settled", stream=stream))


async def newest(conn: Connection) -> Kept | None:
    """The seal that the next one builds upon."""
    row = await _Q.maybe(conn, "newest")
    return None if row is None else _kept(row)


async def every(conn: Connection) -> AsyncIterator[Kept]:
    """All seals in order."""
    number = 0
    while found := await _Q.all(conn, "after", number=number, limit=_AT_ONCE):
        for row in found:
            yield _kept(row)
        number = found[-1]["number"]


async def insert(conn: Connection, kept: Kept) -> bool:
    """Keeps the next seal; False when somebody else was faster."""
    seal = kept.seal
    row = await _Q.maybe(
        conn,
        "insert",
        number=seal.number,
        hash=seal.hash,
        previous=seal.previous,
        sealed_at=seal.sealed_at,
        root=seal.root,
        rows=Jsonb(seal.rows),
        ledger=kept.reach.ledger,
        audit=kept.reach.audit,
        payouts=kept.reach.payouts,
    )
    return row is not None


async def rows_between(
    conn: Connection, after: Reach, upto: Reach, limit: int | None
) -> list[tuple[str, int, Line]]:
    """The rows of a stretch as they are now: (stream, id, content), at most `limit` of each stream."""
    found: list[tuple[str, int, Line]] = []
    for stream in STREAMS:
        begin, end = getattr(after, stream), getattr(upto, stream)
        rows = await _Q.all(conn, f"{stream}_rows", after=begin, upto=end, limit=limit)
        found += [(stream, row["id"], row["row"]) for row in rows]
    return found


def _kept(row: Row) -> Kept:
    rows = tuple((stream, row_id, leaf) for stream, row_id, leaf in row["rows"])
    seal = Seal(row["number"], row["previous"], row["sealed_at"], rows, row["root"])
    return Kept(seal, Reach(row["ledger"], row["audit"], row["payouts"]))
