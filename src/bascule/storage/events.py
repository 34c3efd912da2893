"""Events: numbered per account and mode without holes, with the exact bytes that are signed and sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bascule.storage.arrays import numbers, texts, truths
from bascule.storage.copying import spelled
from bascule.storage.database import Connection
from bascule.storage.outbox import Book
from bascule.storage.queries import Queries

_Q = Queries("events")


class Event(NamedTuple):
    """One event. body: the envelope as JSON, never serialised again."""

    id: str
    account_id: str
    account_sequence: int
    livemode: bool
    type: str
    object_id: str
    body: bytes
    created_at: datetime


class Held(NamedTuple):
    """Where an account's events of one mode stand. last: the newest number; api_version: its pinned one."""

    last: int
    api_version: str


async def hold_sequences(conn: Connection, books: Sequence[Book]) -> dict[Book, Held]:
    """Where accounts and modes stand, held until the transaction ends; not those others hold."""
    wanted = _columns(books)
    await _Q.run(conn, "open_sequences", **wanted)
    rows = await _Q.all(conn, "hold_sequences", **wanted)
    return {(row["account_id"], row["livemode"]): Held(int(row["last"]), row["api_version"]) for row in rows}


async def move_sequences(conn: Connection, lasts: Mapping[Book, int]) -> None:
    """Writes the last numbers."""
    await _Q.run(conn, "move_sequences", **_columns(list(lasts)), lasts=numbers(lasts.values()))


async def last_of(conn: Connection, account_id: str, livemode: bool) -> int:
    """The newest number; 0 before the first event."""
    found = await _Q.all(conn, "last_of", account_id=account_id, livemode=livemode)
    return int(found[0]["last"]) if found else 0


async def after(conn: Connection, account_id: str, livemode: bool, after: int, limit: int) -> list[Event]:
    """The oldest `limit` events with a higher number than `after`."""
    rows = await _Q.all(conn, "after", account_id=account_id, livemode=livemode, after=after, limit=limit)
    return [Event(**row) for row in rows]


async def insert(conn: Connection, events: Sequence[Event]) -> None:
    """Adds a batch, and wakes at commit who follows events."""
    await _Q.copy(conn, "insert", "".join([_line(event) for event in events]))
    await _Q.run(conn, "wake_streams")


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Event]:
    """Those of `ids` that exist, in their order."""
    found = {row["id"]: Event(**row) for row in await _Q.all(conn, "by_ids", ids=list(ids))}
    return [found[id] for id in ids if id in found]


async def get(conn: Connection, id: str) -> Event | None:
    """The event, if there is one."""
    found = await get_many(conn, [id])
    return found[0] if found else None


def _columns(books: Sequence[Book]) -> dict[str, str]:
    return {
        "account_ids": texts([account for account, _ in books]),
        "livemodes": truths([mode for _, mode in books]),
    }


def _line(event: Event) -> str:
    """A row for COPY, in its text format and the order of the statement's columns."""
    named = spelled(event.id, event.account_id, event.type, event.object_id)
    plain = f"{event.account_sequence}\t{event.livemode}\t\\\\x{event.body.hex()}"
    return f"{named}\t{plain}\t{event.created_at.isoformat()}\n"
