"""Asks for anchors: the newest head on each chain that has an anchor's wallet, if it has moved."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import Clock
from bascule.storage import anchors
from bascule.storage.database import Database


@dataclass(frozen=True)
class AnchorPlanner:
    """Makes requests; whoever plans beside it, a chain has one open request, and a head is asked for once."""

    db: Database
    clock: Clock
    failpoints: Failpoints = NO_FAILPOINTS
    name: str = "anchor_planner"

    async def run_once(self) -> int:
        """How many requests were made."""
        async with self.db.transaction() as conn:
            made = await anchors.request(conn, self.clock.now())
            if made:
                self.failpoints.hit("anchor_planner.before_request")
        if made:
            self.failpoints.hit("anchor_planner.after_request")
        return made
