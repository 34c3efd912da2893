"""Answers given to requests with an idempotency key, byte for byte."""

from dataclasses import dataclass
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("idempotency")


@dataclass(frozen=True, slots=True)
class Scope:
    """A key and whose it is; the same key of another account or mode is another key."""

    account_id: str
    livemode: bool
    key: str

    def __str__(self) -> str:
        return f"idempotency:{self.account_id}:{self.livemode}:{self.key}"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered. fingerprint: SHA-256 of the request."""

    fingerprint: bytes
    status: int
    body: bytes


async def try_lock(conn: Connection, scope: Scope) -> bool:
    """Holds the key until the transaction ends; False at once when another transaction does."""
    return bool(await _Q.scalar(conn, "try_lock", scope=str(scope)))


async def find(conn: Connection, scope: Scope) -> StoredAnswer | None:
    """The answer given before, if any."""
    row = await _Q.maybe(conn, "by_key", account_id=scope.account_id, livemode=scope.livemode, key=scope.key)
    return None if row is None else StoredAnswer(**row)


async def keep(conn: Connection, scope: Scope, answer: StoredAnswer, at: datetime) -> None:
    """Stores the answer; it becomes true together with the effect."""
    await _Q.run(
        conn,
        "insert",
        account_id=scope.account_id,
        livemode=scope.livemode,
        key=scope.key,
        fingerprint=answer.fingerprint,
        status=answer.status,
        body=answer.body,
        created_at=at,
    )


async def forget(conn: Connection, *, before: datetime, limit: int) -> int:
    """Ends keys made before a moment, none younger than 30 days; how many."""
    return int(await _Q.scalar(conn, "forget", before=before, limit=limit))
