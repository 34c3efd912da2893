"""Deliveries: one event on its way to one endpoint, and every attempt that was made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bascule.domain.delivery import DeliveryState
from bascule.storage.arrays import moments, numbers, texts
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


class Claimed(NamedTuple):
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
    bascule_signature: bool


class Attempt(NamedTuple):
    """What one attempt met. n: from 1; status: HTTP, None without an answer; response: 1 KiB at most."""

    delivery_id: str
    n: int
    at: datetime
    status: int | None
    duration_ms: int
    error: str | None
    response: str | None


Made = tuple[Claimed, Attempt]


class Replay(NamedTuple):
    """Which events are sent again: numbers after `after` to `until`, moments from `since` to before `before`.

    delivered_too: also those the endpoint took.
    """

    after: int = 0
    until: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    delivered_too: bool = False


class Replayable(NamedTuple):
    """An event that may be sent again. waits: a delivery of it has attempts left."""

    id: str
    account_sequence: int
    waits: bool


@dataclass(frozen=True, slots=True)
class Exhausted:
    """What an endpoint did not take in ten attempts. state, disabled_reason: of the endpoint."""

    endpoint_id: str
    account_id: str
    url: str
    state: str
    disabled_reason: str | None
    event_ids: list[str]


async def insert(conn: Connection, rows: Sequence[tuple[str, str, str]], at: datetime) -> None:
    """Adds (id, event, endpoint) triples, due at `at`, and wakes the dispatchers at commit."""
    if not rows:
        return
    ids, event_ids, endpoint_ids = (texts(column) for column in zip(*rows, strict=True))
    await _Q.run(conn, "insert", ids=ids, event_ids=event_ids, endpoint_ids=endpoint_ids, at=at)
    await _Q.run(conn, "wake_dispatcher")


async def insert_replays(
    conn: Connection, endpoint_id: str, ids: Sequence[str], event_ids: Sequence[str], at: datetime
) -> None:
    """New deliveries of events to an endpoint, which the caller holds."""
    values = {"ids": texts(ids), "event_ids": texts(event_ids)}
    await _Q.run(conn, "insert_replays", endpoint_id=endpoint_id, at=at, **values)
    await _Q.run(conn, "wake_dispatcher")


async def replayable(
    conn: Connection, endpoint_id: str, wanted: Replay, limit: int, *, ping: str
) -> list[Replayable]:
    """The oldest `limit` events that the endpoint hears. ping: a type that nobody is sent again."""
    values = wanted._asdict() | {"endpoint_id": endpoint_id, "limit": limit, "ping": ping}
    return [Replayable(**row) for row in await _Q.all(conn, "replayable", **values)]


async def hasten(conn: Connection, endpoint_id: str, event_ids: Sequence[str], at: datetime) -> None:
    """What waits for its next attempt at these events is due at `at`."""
    await _Q.run(conn, "hasten", endpoint_id=endpoint_id, event_ids=list(event_ids), at=at)
    await _Q.run(conn, "wake_dispatcher")


async def exhausted(
    conn: Connection, since: datetime, *, endpoint_id: str | None, account_id: str | None
) -> list[Exhausted]:
    """Events since then whose deliveries all ran out of attempts, by endpoint."""
    rows = await _Q.all(conn, "exhausted", since=since, endpoint_id=endpoint_id, account_id=account_id)
    return [Exhausted(**row) for row in rows]


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Delivery]:
    """Those of `ids` that exist, in their order."""
    rows = await _Q.all(conn, "by_ids", ids=list(ids))
    found = {row["id"]: Delivery(**row | {"state": DeliveryState(row["state"])}) for row in rows}
    return [found[id] for id in ids if id in found]


async def claim(
    conn: Connection,
    *,
    now: datetime,
    after: str,
    quick: int,
    slow: int,
    per_endpoint: int,
    others: Sequence[str],
    aloft: Mapping[str, int],
    slow_endpoints: Sequence[str],
    lease_s: float,
) -> tuple[list[Claimed], str]:
    """Leases due deliveries, one of each of `slow_endpoints` up to `slow`, and `quick` of all but `others`.

    after: the endpoint after which to begin, "" for the first; answered with where to go on, "" when all
    were asked. aloft: how many were sent to some of the others, which get more up to `per_endpoint` where a
    look that began with the first endpoint leaves room.
    """
    rows = await _Q.all(
        conn,
        "claim",
        now=now,
        after=after,
        quick=quick,
        slow=slow,
        per_endpoint=per_endpoint,
        others=texts(others),
        aloft=texts(aloft),
        aloft_n=numbers(aloft.values()),
        slow_endpoints=texts(slow_endpoints),
        lease_s=lease_s,
    )
    goes_on_after = [row.pop("goes_on_after") for row in rows]
    return [Claimed(**row) for row in rows], (goes_on_after[0] or "") if goes_on_after else ""


async def record_attempts(conn: Connection, attempts: Sequence[Attempt]) -> None:
    """Adds attempts; the same ones again change nothing."""
    await _Q.run(
        conn,
        "insert_attempts",
        delivery_ids=texts([each.delivery_id for each in attempts]),
        ns=numbers([each.n for each in attempts]),
        ats=moments([each.at for each in attempts]),
        statuses=numbers([each.status for each in attempts]),
        durations=numbers([each.duration_ms for each in attempts]),
        errors=texts([each.error for each in attempts]),
        responses=texts([each.response for each in attempts]),
    )


async def attempts_of(conn: Connection, ids: Sequence[str]) -> list[Attempt]:
    """The attempts of some deliveries, in order."""
    return [Attempt(**row) for row in await _Q.all(conn, "attempts_of", ids=list(ids))]


async def reschedule(conn: Connection, made: Sequence[Made], next_ats: Sequence[datetime]) -> int:
    """Sets the next attempts; how many leases were still ours."""
    return await _Q.run(conn, "reschedule", **_columns(made), next_ats=moments(next_ats)) if made else 0


async def advance(conn: Connection, made: Sequence[Made], from_: DeliveryState, to: DeliveryState) -> int:
    """Ends deliveries; how many leases were still ours."""
    if not made:
        return 0
    values = {"from": str(from_), "to": str(to), "ats": moments([attempt.at for _, attempt in made])}
    return await _Q.run(conn, "advance", **_columns(made), **values)


def _columns(made: Sequence[Made]) -> dict[str, str]:
    return {
        "ids": texts([claimed.id for claimed, _ in made]),
        "lease_untils": moments([claimed.lease_until for claimed, _ in made]),
        "ns": numbers([attempt.n for _, attempt in made]),
        "statuses": numbers([attempt.status for _, attempt in made]),
        "errors": texts([attempt.error for _, attempt in made]),
    }
