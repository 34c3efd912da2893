"""Deliveries: one event on its way to one endpoint, and every attempt that was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule.domain.delivery import DeliveryState
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("deliveries")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as a merchant sees it."""

    id: str
    event_id: str
    endpoint_id: str
    replay: int
    state: DeliveryState
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime
    event_type: str
    account_id: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery leased to one worker, with all it needs to be sent. lease_until: database time."""

    id: str
    event_id: str
    endpoint_id: str
    attempts: int
    lease_until: datetime
    body: bytes
    url: str
    livemode: bool
    secret: str
    previous_secret: str | None
    previous_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt met. n: from 1; status: HTTP, None without an answer; response: 1 KiB at most."""

    delivery_id: str
    n: int
    at: datetime
    status: int | None
    duration_ms: int
    error: str | None
    response: str | None


async def insert(conn: Connection, rows: Sequence[tuple[str, str, str]], at: datetime) -> None:
    """Adds (id, event, endpoint) triples, due at `at`, and wakes the dispatchers at commit."""
    if not rows:
        return
    ids, event_ids, endpoint_ids = (list(column) for column in zip(*rows, strict=True))
    await _Q.run(conn, "insert", ids=ids, event_ids=event_ids, endpoint_ids=endpoint_ids, at=at)
    await _Q.run(conn, "wake_dispatcher")


async def insert_replay(conn: Connection, *, id: str, event_id: str, endpoint_id: str, at: datetime) -> None:
    """A new delivery of an event the endpoint was sent before."""
    await _Q.run(conn, "insert_replay", id=id, event_id=event_id, endpoint_id=endpoint_id, at=at)
    await _Q.run(conn, "wake_dispatcher")


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Delivery]:
    """Those of `ids` that exist, in their order."""
    rows = await _Q.all(conn, "by_ids", ids=list(ids))
    found = {row["id"]: Delivery(**row | {"state": DeliveryState(row["state"])}) for row in rows}
    return [found[id] for id in ids if id in found]


async def claim(
    conn: Connection,
    *,
    now: datetime,
    limit: int,
    per_endpoint: int,
    flying: Mapping[str, int],
    lease_s: float,
) -> list[Claimed]:
    """Leases up to `limit` due deliveries. flying: how many of an endpoint's `per_endpoint` are taken."""
    rows = await _Q.all(
        conn,
        "claim",
        now=now,
        limit=limit,
        per_endpoint=per_endpoint,
        flying_to=list(flying.keys()),
        flying=list(flying.values()),
        lease_s=lease_s,
    )
    return [Claimed(**row) for row in rows]


async def record_attempt(conn: Connection, attempt: Attempt) -> None:
    """Adds an attempt; the same one again changes nothing."""
    await _Q.run(
        conn,
        "insert_attempt",
        delivery_id=attempt.delivery_id,
        n=attempt.n,
        at=attempt.at,
        status=attempt.status,
        duration_ms=attempt.duration_ms,
        error=attempt.error,
        response=attempt.response,
    )


async def attempts_of(conn: Connection, ids: Sequence[str]) -> list[Attempt]:
    """The attempts of some deliveries, in order."""
    return [Attempt(**row) for row in await _Q.all(conn, "attempts_of", ids=list(ids))]


async def reschedule(conn: Connection, claimed: Claimed, attempt: Attempt, next_at: datetime) -> bool:
    """Sets the next attempt; False when the lease is no longer ours."""
    changed = await _Q.run(
        conn,
        "reschedule",
        id=claimed.id,
        attempts=attempt.n,
        next_at=next_at,
        status=attempt.status,
        error=attempt.error,
        lease_until=claimed.lease_until,
    )
    return changed == 1


async def advance(
    conn: Connection, claimed: Claimed, attempt: Attempt, from_: DeliveryState, to: DeliveryState
) -> bool:
    """Ends the delivery; False when the lease is no longer ours."""
    values: dict[str, Any] = {"from": str(from_), "to": str(to)}
    changed = await _Q.run(
        conn,
        "advance",
        id=claimed.id,
        attempts=attempt.n,
        status=attempt.status,
        error=attempt.error,
        lease_until=claimed.lease_until,
        at=attempt.at,
        **values,
    )
    return changed == 1


async def only_failing_since(conn: Connection, endpoint_id: str, since: datetime) -> bool:
    """Whether the endpoint has been owed something since `since` and has taken nothing after it."""
    return bool(await _Q.scalar(conn, "only_failing_since", endpoint_id=endpoint_id, since=since))
