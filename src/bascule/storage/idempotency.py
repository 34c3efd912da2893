"""Answers given to requests with an idempotency key, byte for byte."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.storage.arrays import bytes_, numbers, texts, truths
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
    """What was answered. fingerprint: SHA-256 of the request; version: of the API, which the answer is in."""

    fingerprint: bytes
    status: int
    body: bytes
    version: str


async def try_lock(conn: Connection, scopes: Sequence[Scope]) -> set[Scope]:
    """Holds keys until the transaction ends; those that no other transaction holds, at once."""
    taken = await _Q.tuples(conn, "try_lock", scopes=texts(map(str, scopes)))
    return {scopes[place - 1] for (place,) in taken}


async def find(conn: Connection, scopes: Sequence[Scope]) -> dict[Scope, StoredAnswer]:
    """The answers given before, of those that have one."""
    found = await _Q.tuples(conn, "by_key", **_columns(scopes))
    return {scopes[place - 1]: StoredAnswer(*answer) for place, *answer in found}


async def keep(conn: Connection, answers: Mapping[Scope, StoredAnswer], at: datetime) -> None:
    """Stores answers; they become true together with their effects."""
    await _Q.run(
        conn,
        "insert",
        **_columns(answers),
        fingerprints=bytes_(answer.fingerprint for answer in answers.values()),
        statuses=numbers(answer.status for answer in answers.values()),
        bodies=bytes_(answer.body for answer in answers.values()),
        versions=texts(answer.version for answer in answers.values()),
        created_at=at,
    )


async def forget(conn: Connection, *, before: datetime, limit: int) -> int:
    """Ends keys made before a moment, none younger than 30 days; how many."""
    return int(await _Q.scalar(conn, "forget", before=before, limit=limit))


def _columns(scopes: Collection[Scope]) -> dict[str, str]:
    return {
        "account_ids": texts(scope.account_id for scope in scopes),
        "livemodes": truths(scope.livemode for scope in scopes),
        "keys": texts(scope.key for scope in scopes),
    }
