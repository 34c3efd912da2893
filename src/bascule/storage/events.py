"""Events: numbered per account without holes, with the exact bytes that are signed and sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("events")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. body: the envelope as JSON, never serialised again."""

    id: str
    account_id: str
    account_sequence: int
    livemode: bool
    type: str
    object_id: str
    body: bytes
    created_at: datetime


async def hold_sequence(conn: Connection, account_id: str) -> int | None:
    """The account's last number, held until the transaction ends; None when another sequencer holds it."""
    await _Q.run(conn, "open_sequence", account_id=account_id)
    last = await _Q.scalar(conn, "hold_sequence", account_id=account_id)
    return None if last is None else int(last)


async def move_sequence(conn: Connection, account_id: str, last: int) -> None:
    """Writes the account's last number."""
    await _Q.run(conn, "move_sequence", account_id=account_id, last=last)


async def insert(conn: Connection, events: Sequence[Event]) -> None:
    """Adds a batch."""
    await _Q.run(
        conn,
        "insert",
        ids=[e.id for e in events],
        account_ids=[e.account_id for e in events],
        sequences=[e.account_sequence for e in events],
        livemodes=[e.livemode for e in events],
        types=[e.type for e in events],
        object_ids=[e.object_id for e in events],
        bodies=[e.body for e in events],
        created_ats=[e.created_at for e in events],
    )


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Event]:
    """Those of `ids` that exist, in their order."""
    found = {row["id"]: Event(**row) for row in await _Q.all(conn, "by_ids", ids=list(ids))}
    return [found[id] for id in ids if id in found]


async def get(conn: Connection, id: str) -> Event | None:
    """The event, if there is one."""
    found = await get_many(conn, [id])
    return found[0] if found else None
