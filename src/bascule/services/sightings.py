"""Sightings: how far the nodes show the chain to reach, kept for whoever asks how far we are behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bascule.domain.chain import BlockRef, ChainId
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.storage import leases, sightings
from bascule.storage.database import Database
from bascule.storage.leases import Lease

# Between two of them: a poll is shorter than what an operator wants to know.
EVERY = timedelta(seconds=2)


@dataclass
class Sightings:
    """Keeps the newest sighting of one chain."""

    db: Database
    chain_id: ChainId
    clock: Clock
    failpoints: Failpoints
    _last: datetime | None = field(default=None, init=False)

    async def note(self, head: BlockRef, lease: Lease) -> None:
        """What the nodes show now is known to all, at most every two seconds."""
        now = self.clock.now()
        if self._last is not None and abs(now - self._last) < EVERY:
            return
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            await sightings.record(conn, self.chain_id, head, now)
            self.failpoints.hit("watcher.before_sighting")
        self.failpoints.hit("watcher.after_sighting")
        self._last = now
