"""The log of what accounts asked the API: lines are added, never changed, and end after 30 days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.ids import Prefix, earliest
from bascule.storage.arrays import numbers, texts, truths
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("requests")
PATH_MAX = 200


@dataclass(slots=True)
class Line:
    """One request and how it ended. path: without its query, `PATH_MAX` at most; duration_ms: to its answer.

    replayed: answered with what the same Idempotency-Key got before; left_out: requests of the account
    before this one that have no line.
    """

    id: str
    account_id: str
    livemode: bool
    api_key_id: str
    method: str
    path: str
    status: int
    error_code: str | None
    replayed: bool
    duration_ms: int
    left_out: int = 0


@dataclass(slots=True, kw_only=True)
class StoredLine(Line):
    """A line as stored. key_prefix: what may be shown of its key; created_at: when it was written."""

    key_prefix: str | None
    created_at: datetime


async def append(conn: Connection, lines: Sequence[Line]) -> None:
    """Writes lines in this order, behind all that are written; those that are there already stay as they are.

    Holds up other writers until the caller's transaction ends.
    """
    await _Q.run(conn, "in_turn")
    await _Q.run(
        conn,
        "insert",
        ids=texts(line.id for line in lines),
        account_ids=texts(line.account_id for line in lines),
        livemodes=truths(line.livemode for line in lines),
        api_key_ids=texts(line.api_key_id for line in lines),
        methods=texts(line.method for line in lines),
        paths=texts(line.path for line in lines),
        statuses=numbers(line.status for line in lines),
        error_codes=texts(line.error_code for line in lines),
        replays=truths(line.replayed for line in lines),
        durations=numbers(line.duration_ms for line in lines),
        left_outs=numbers(line.left_out for line in lines),
    )


async def get_many(conn: Connection, ids: Sequence[str]) -> list[StoredLine]:
    """Those of `ids` that exist, newest first."""
    return [StoredLine(**row) for row in await _Q.all(conn, "by_ids", ids=texts(ids))]


async def forget(conn: Connection, *, before: datetime, limit: int) -> int:
    """Ends lines made before a moment, none younger than 30 days; how many."""
    below = earliest(Prefix.REQUEST, int(before.timestamp() * 1000))
    return int(await _Q.scalar(conn, "forget", before=before, below=below, limit=limit))
