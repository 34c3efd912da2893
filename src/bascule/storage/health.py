"""Whether the system may be trusted with a request right now."""

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("health")


@dataclass(frozen=True, slots=True)
class Followed:
    """How a network is followed. last_number: the newest block read, None before the first one; head_number,
    head_time, seen_at: the newest block that its nodes showed, its own time, and when it was shown last;
    behind: seconds of block time between the two; led: a watcher holds its lease; halted_reason: set while
    nothing is credited and nothing is paid; collector_alarm: set while nothing is flushed, by what the
    deposit factory said last; unproven: of what its headers were learned to prove nothing.
    """

    chain_id: ChainId
    last_number: int | None
    finalized_number: int | None
    halted_reason: str | None
    head_number: int | None
    head_time: datetime | None
    seen_at: datetime | None
    behind: float | None
    led: bool
    collector_alarm: str | None
    unproven: str | None

    def lag_s(self, now: datetime, quiet_s: float | None) -> float | None:
        """Seconds behind the chain: block time that is not read yet, and how long nothing new was seen of it.

        quiet_s: seconds without a new block that mean nothing; None: no silence of the chain means anything.
        """
        if self.seen_at is None or self.head_time is None or self.behind is None:
            return None
        unseen = (now - self.seen_at).total_seconds()
        silent = 0.0 if quiet_s is None else (now - self.head_time).total_seconds() - quiet_s
        return max(0.0, self.behind) + max(0.0, unseen, silent)


async def followed(conn: Connection) -> list[Followed]:
    """Every network, by chain id."""
    return [Followed(**row) for row in await _Q.all(conn, "followed")]
