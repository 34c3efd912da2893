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
    seen_at: the newest block that its nodes showed, and when; behind: seconds of block time between the two;
    led: a watcher holds its lease; halted_reason: set while nothing is credited and nothing is paid.
    """

    chain_id: ChainId
    last_number: int | None
    finalized_number: int | None
    halted_reason: str | None
    head_number: int | None
    seen_at: datetime | None
    behind: float | None
    led: bool

    def lag_s(self, now: datetime) -> float | None:
        """Seconds behind the chain: block time that is not read yet, and how long nothing was seen of it."""
        if self.seen_at is None or self.behind is None:
            return None
        return max(0.0, self.behind) + max(0.0, (now - self.seen_at).total_seconds())


async def followed(conn: Connection) -> list[Followed]:
    """Every network, by chain id."""
    return [Followed(**row) for row in await _Q.all(conn, "followed")]
