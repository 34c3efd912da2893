"""What happened, written in the transaction in which it happened, waiting for its number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import orjson

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("outbox")


class NewRow(TypedDict):
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


@dataclass(frozen=True, slots=True)
class OutboxRow:
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


async def append(conn: Connection, new: list[NewRow], created_at: datetime) -> None:
    """Adds rows in this order, and wakes the sequencer when the transaction commits."""
    if not new:
        return
    # one document: arrays of documents are quoted twice on their way, which takes longer than all the rest
    await _Q.run(conn, "append", rows=orjson.dumps(new).decode(), created_at=created_at)
    await _Q.run(conn, "wake_sequencer")


async def waiting_accounts(conn: Connection, window: int) -> list[str]:
    """Accounts of the oldest `window` rows without a number."""
    return [row["account_id"] for row in await _Q.all(conn, "waiting_accounts", window=window)]


async def waiting_of(conn: Connection, account_id: str, limit: int) -> list[OutboxRow]:
    """An account's oldest rows without a number."""
    return [OutboxRow(**row) for row in await _Q.all(conn, "waiting_of", account_id=account_id, limit=limit)]


async def mark_sequenced(conn: Connection, ids: Sequence[int]) -> int:
    """How many of the rows had no number until now."""
    return await _Q.run(conn, "mark_sequenced", ids=list(ids))
