"""Webhook endpoints: where merchants hear of what happened, and the secrets that sign it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("webhooks")

State = Literal["enabled", "disabled", "deleted"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. secret, previous_secret: `whsec_…`, for signing alone."""

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


async def listening(conn: Connection, account_id: str) -> list[Listener]:
    """The enabled endpoints of an account, of both modes."""
    rows = await _Q.all(conn, "listening", account_id=account_id)
    return [Listener(row["id"], row["livemode"], tuple(row["enabled_events"])) for row in rows]


async def change(
    conn: Connection, id: str, *, url: str, enabled_events: Sequence[str], description: str | None
) -> Endpoint:
    """Writes what a merchant may change."""
    return _endpoint(
        await _Q.one(
            conn, "change", id=id, url=url, enabled_events=list(enabled_events), description=description
        )
    )


async def rotate(conn: Connection, id: str, *, secret: str, previous_expires_at: datetime) -> Endpoint:
    """Makes `secret` the one that signs; the old one signs beside it until `previous_expires_at`."""
    return _endpoint(
        await _Q.one(conn, "rotate", id=id, secret=secret, previous_expires_at=previous_expires_at)
    )


async def advance(conn: Connection, id: str, from_: State, to: State) -> Endpoint | None:
    """Moves the state; None when the endpoint was not in `from_`."""
    values: dict[str, Any] = {"id": id, "from": from_, "to": to}
    row = await _Q.maybe(conn, "advance", **values)
    return None if row is None else _endpoint(row)


def _endpoint(row: Row) -> Endpoint:
    return Endpoint(**row | {"enabled_events": tuple(row["enabled_events"])})
