"""How the money stands, for dashboards: what waits, what does not add up, what nobody sealed yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("standing")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of a kind waits, and for how many seconds the oldest."""

    kind: str
    open: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Residual:
    """Base units by which chain and journal of a currency differ; 0, or something is wrong."""

    chain_id: int
    currency: str
    units: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Nonces of a lane's wallet that were given out since the lowest that no block has consumed."""

    chain_id: int
    lane: str
    nonces: int


@dataclass(frozen=True, slots=True)
class Standing:
    """breaks: by type; payouts: by state; screened: what screening holds; outbox_s, delivery_s: seconds that
    the oldest event waits for its number, and the most overdue delivery for its attempt; failing: endpoints
    that took nothing last; unsealed_rows: postings and lines of audit; seal_s: age of the newest seal, None
    before the first; room: transactions that fit into the partitions there are.
    """

    breaks: tuple[Waiting, ...] = ()
    residuals: tuple[Residual, ...] = ()
    payouts: tuple[Waiting, ...] = ()
    outbox_s: float = 0.0
    delivery_s: float = 0.0
    failing: int = 0
    unsealed_rows: int = 0
    seal_s: float | None = None
    gaps: tuple[Gap, ...] = ()
    room: int = 0
    screened: Waiting | None = None


async def read(conn: Connection, now: datetime) -> Standing:
    """As it is now; every statement goes by an index."""
    breaks = await _Q.all(conn, "breaks", now=now)
    residuals = await _Q.all(conn, "residuals")
    payouts = await _Q.all(conn, "payouts", now=now)
    held = await _Q.one(conn, "screenings", now=now)
    queues = await _Q.one(conn, "queues", now=now)
    gaps = await _Q.all(conn, "nonces")
    return Standing(
        breaks=tuple(Waiting(row["type"], row["open"], row["oldest_s"]) for row in breaks),
        residuals=tuple(Residual(row["chain_id"], row["currency"], int(row["units"])) for row in residuals),
        payouts=tuple(Waiting(row["state"], row["open"], row["oldest_s"]) for row in payouts),
        outbox_s=max(0.0, queues["outbox_s"]),
        delivery_s=max(0.0, queues["delivery_s"]),
        failing=queues["failing"],
        unsealed_rows=queues["unsealed_rows"],
        seal_s=queues["seal_s"],
        gaps=tuple(Gap(row["chain_id"], row["name"], row["gap"]) for row in gaps),
        room=queues["room"],
        screened=Waiting("screening", held["open"], max(0.0, held["oldest_s"])),
    )
