"""What happened, written in the transaction in which it happened, waiting for its number."""

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bascule.storage.arrays import numbers, texts, truths
from bascule.storage.copying import NULL, binary, moment, sized
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("outbox")
_FIRST, _LENGTH, _PLAIN = struct.Struct("!hi").pack, struct.Struct("!i").pack, struct.Struct("!i?ii").pack

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
    at = moment(created_at)
    await _Q.copy(conn, "append", binary([_row(row, written[id(row.object)], at) for row in new]))


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


def _row(row: NewRow, document: bytes, created_at: bytes) -> bytes:
    """A row for COPY, in its binary format and the order of the statement's columns."""
    event_id, account_id = row.event_id.encode(), row.account_id.encode()
    type, object_id = row.type.encode(), row.object_id.encode()
    return b"".join((
        _FIRST(10, len(event_id)), event_id,
        _LENGTH(len(account_id)), account_id,
        _LENGTH(len(type)), type,
        _LENGTH(len(object_id)), object_id,
        _PLAIN(1, row.livemode, 4, row.object_version),
        document, _document(row.previous), _document(row.request), created_at,
    ))  # fmt: skip


def _document(value: Mapping[str, Any] | None) -> bytes:
    return NULL if value is None else sized(orjson.dumps(value))
