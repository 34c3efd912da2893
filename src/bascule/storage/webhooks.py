"""Webhook endpoints: where merchants hear of what happened, and the secrets that sign it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bascule.storage.arrays import moments, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("webhooks")

State = Literal["enabled", "disabled", "deleted"]
Reason = Literal["requested", "gone", "failing"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. secret, previous_secret: `whsec_…`, for signing alone.

    failing_since: its first failed attempt after the last that did not fail; bascule_signature: whether the
    second header is sent as well.
    """

    id: str
    account_id: str
    livemode: bool
    url: str
    enabled_events: tuple[str, ...]
    description: str | None
    state: State
    secret: str
    previous_secret: str | None
    previous_expires_at: datetime | None
    created_at: datetime
    version: int
    failing_since: datetime | None
    disabled_reason: Reason | None
    bascule_signature: bool


@dataclass(frozen=True, slots=True)
class Listener:
    """As much of an endpoint as decides whether it hears of an event."""

    id: str
    livemode: bool
    enabled_events: tuple[str, ...]


async def insert(
    conn: Connection,
    *,
    id: str,
    account_id: str,
    livemode: bool,
    url: str,
    enabled_events: Sequence[str],
    description: str | None,
    bascule_signature: bool,
    secret: str,
    created_at: datetime,
) -> Endpoint:
    """A new, enabled endpoint."""
    return _endpoint(
        await _Q.one(
            conn,
            "insert",
            id=id,
            account_id=account_id,
            livemode=livemode,
            url=url,
            enabled_events=list(enabled_events),
            description=description,
            bascule_signature=bascule_signature,
            secret=secret,
            created_at=created_at,
        )
    )


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Endpoint]:
    """Those of `ids` that exist, in their order."""
    found = {row["id"]: _endpoint(row) for row in await _Q.all(conn, "by_ids", ids=list(ids))}
    return [found[id] for id in ids if id in found]


async def get(conn: Connection, id: str) -> Endpoint | None:
    """The endpoint, if there is one."""
    found = await get_many(conn, [id])
    return found[0] if found else None


async def lock(conn: Connection, id: str) -> Endpoint | None:
    """The endpoint, held until the transaction ends."""
    row = await _Q.maybe(conn, "lock", id=id)
    return None if row is None else _endpoint(row)


async def listening(conn: Connection, account_ids: Sequence[str]) -> dict[str, list[Listener]]:
    """The enabled endpoints of accounts, of both modes, by account."""
    found: dict[str, list[Listener]] = {}
    for row in await _Q.all(conn, "listening", account_ids=texts(account_ids)):
        listener = Listener(row["id"], row["livemode"], tuple(row["enabled_events"]))
        found.setdefault(row["account_id"], []).append(listener)
    return found


async def change(
    conn: Connection,
    id: str,
    *,
    url: str,
    enabled_events: Sequence[str],
    description: str | None,
    bascule_signature: bool,
) -> Endpoint:
    """Writes what a merchant may change."""
    return _endpoint(
        await _Q.one(
            conn,
            "change",
            id=id,
            url=url,
            enabled_events=list(enabled_events),
            description=description,
            bascule_signature=bascule_signature,
        )
    )


async def rotate(conn: Connection, id: str, *, secret: str, previous_expires_at: datetime) -> Endpoint:
    """Makes `secret` the one that signs; the old one signs beside it until `previous_expires_at`."""
    return _endpoint(
        await _Q.one(conn, "rotate", id=id, secret=secret, previous_expires_at=previous_expires_at)
    )


async def advance(
    conn: Connection, id: str, from_: State, to: State, *, reason: Reason | None = None
) -> Endpoint | None:
    """Moves the state; None when the endpoint was not in `from_`. reason: why it is disabled."""
    values: dict[str, Any] = {"id": id, "from": from_, "to": to, "reason": reason}
    row = await _Q.maybe(conn, "advance", **values)
    return None if row is None else _endpoint(row)


async def note_failing(
    conn: Connection, failed: Sequence[tuple[str, datetime]], since: datetime
) -> list[str]:
    """Remembers endpoints' failed attempts; those that have only failed since before `since`."""
    ids, ats = texts([id for id, _ in failed]), moments([at for _, at in failed])
    return [row["id"] for row in await _Q.all(conn, "note_failing", ids=ids, ats=ats, since=since)]


async def note_working(conn: Connection, ids: Sequence[str]) -> None:
    """These took something just now."""
    await _Q.run(conn, "note_working", ids=texts(ids))


def _endpoint(row: Row) -> Endpoint:
    return Endpoint(**row | {"enabled_events": tuple(row["enabled_events"])})
