"""Rows of reports as the database writes them: bytes of lines, never objects of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.report import Format
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("reports")
_LINES = {
    Format.CSV: "COPY ({query}) TO STDOUT (FORMAT csv)",
    # neither mark can be in JSON, so each line is one object as it is
    Format.JSONL: "COPY (SELECT row_to_json(r) FROM ({query}) AS r) TO STDOUT"
    " (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02', ESCAPE E'\\x02')",
}
LONGEST_MS = 600_000
SORTED_IN = "32MB"  # a stretch of rows


@dataclass(frozen=True, slots=True)
class Source:
    """What is reported. gl: JSON of the general ledger's accounts: code, number, name; thresholds:
    JSON of those of jurisdictions.

    after, upto: ledger transactions, exclusive and inclusive; base: the closing before, if there is one.
    """

    account_id: str
    livemode: bool
    since: datetime
    until: datetime
    after: int
    upto: int
    base: datetime | None
    gl: str
    thresholds: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an interval's facts are. closed: nothing will join them."""

    after: int
    base: datetime | None
    closed: bool


async def bounds(conn: Connection, since: datetime, until: datetime, *, reach: int) -> Bounds:
    """Where the facts of an interval are in the journal, for a report of what is booked up to `reach`."""
    return Bounds(**await Q.one(conn, "bounds", since=since, until=until, reach=reach))


async def lines(
    conn: Connection, name: str, source: Source, lines: Format, *, guarded: bool
) -> AsyncIterator[bytes]:
    """The report's rows of one stretch, in blocks of whole lines."""
    query = Q.file.queries[name]
    given = {field: getattr(source, field) for field in Source.__slots__} | {"guarded": guarded}
    params = {field: given[field] for field in query.parameters}
    statement = _LINES[lines].format(query=query.text)
    await conn.execute(
        f"SET LOCAL statement_timeout = {LONGEST_MS}; SET LOCAL work_mem = '{SORTED_IN}'".encode()
    )
    async with conn.cursor() as cursor, cursor.copy(statement.encode(), params) as copy:
        async for row in copy:
            yield bytes(row)
