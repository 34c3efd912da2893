"""What happened, written in the transaction in which it happened, waiting for its number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("outbox")


@dataclass(frozen=True, slots=True)
class NewRow:
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


async def append(conn: Connection, new: Sequence[NewRow], created_at: datetime) -> None:
    """Adds rows in this order, and wakes the sequencer when the transaction commits."""
    if not new:
        return
    await _Q.run(
        conn,
        "append",
        created_at=created_at,
        event_ids=[row.event_id for row in new],
        account_ids=[row.account_id for row in new],
        livemodes=[row.livemode for row in new],
        types=[row.type for row in new],
        object_ids=[row.object_id for row in new],
        object_versions=[row.object_version for row in new],
        objects=[_json(row.object) for row in new],
        previous=[_json(row.previous) for row in new],
        requests=[_json(row.request) for row in new],
    )
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


def _json(value: Mapping[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(dict(value))
