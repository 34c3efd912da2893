"""What happened, written in the transaction in which it happened, waiting for its number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bascule.storage.arrays import numbers, texts, truths
from bascule.storage.copying import spelled
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("outbox")


Book = tuple[str, bool]  # an account and whether it is its live mode: numbers are counted in each


class NewRow(NamedTuple):
    """One happening to be told. object: the thing as the API shows it at that moment."""

    event_id: str
    account_id: str
    livemode: bool
    type: str
    object_id: str
    object_version: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    request: Mapping[str, Any] | None


class OutboxRow(NamedTuple):
    """One happening. object: the thing as the API showed it at that moment."""

    id: int
    event_id: str
    account_id: str
    livemode: bool
    type: str
    object_id: str
    object_version: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    request: Mapping[str, Any] | None
    created_at: datetime


async def append(conn: Connection, new: Sequence[NewRow], created_at: datetime) -> None:
    """Adds rows in this order; the sequencer wakes when the transaction commits."""
    if not new:
        return
    # by COPY: parameters are quoted twice on their way, which takes longer than all the rest
    written = {id(row.object): _document(row.object) for row in new}  # one object may be told several times
    at = created_at.isoformat()
    await _Q.copy(conn, "append", "".join([_line(row, written[id(row.object)], at) for row in new]))


async def waiting(conn: Connection, window: int) -> list[Book]:
    """Whose events the oldest `window` rows without a number are, sorted."""
    return [(row["account_id"], row["livemode"]) for row in await _Q.all(conn, "waiting", window=window)]


async def waiting_of(conn: Connection, books: Sequence[Book], window: int, limit: int) -> list[OutboxRow]:
    """The oldest rows of these books without a number, as far as they are in the window."""
    accounts, modes = texts([account for account, _ in books]), truths([livemode for _, livemode in books])
    of = {"account_ids": accounts, "livemodes": modes}
    rows = await _Q.all(conn, "waiting_of", **of, window=window, limit=limit)
    return [OutboxRow(**row) for row in rows]


async def mark_sequenced(conn: Connection, ids: Sequence[int]) -> int:
    """How many of the rows had no number until now."""
    return await _Q.run(conn, "mark_sequenced", ids=numbers(ids))


def _line(row: NewRow, document: str, created_at: str) -> str:
    """A row for COPY, in its text format and the order of the statement's columns."""
    named = spelled(row.event_id, row.account_id, row.type, row.object_id)
    others = (_document(row.previous), _document(row.request))
    plain = (str(row.livemode), str(row.object_version))
    return "\t".join((named, *plain, document, *others, created_at)) + "\n"


def _document(value: Mapping[str, Any] | None) -> str:
    """JSON as it is written holds no tab and no line break, only backslashes."""
    return r"\N" if value is None else orjson.dumps(value).decode().replace("\\", r"\\")
