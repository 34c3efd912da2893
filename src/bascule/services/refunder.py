"""The worker of refunds: takes those that are due, each in a transaction of its own."""

from __future__ import annotations

from bascule.services import turns
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.refund_steps import RefundSteps
from bascule.storage import refunds
from bascule.storage.database import Database

BATCH = 100


class Refunder:
    """Looks for refunds that can go on, and lets each take its next step."""

    name = "refunder"

    def __init__(
        self, db: Database, steps: RefundSteps, failpoints: Failpoints = NO_FAILPOINTS
    ) -> None:  # fmt: skip
        self._db = db
        self._steps = steps
        self._failpoints = failpoints

    async def run_once(self) -> int:
        """How many refunds went on; 0 when nothing is due. Raises: as `turns.each`."""
        async with self._db.read() as conn:
            found = await refunds.due(conn, self._steps.clock.now(), limit=BATCH)
        return await turns.each("refund", found, self._proceed)

    async def _proceed(self, refund_id: str) -> bool:
        async with self._db.transaction() as conn:
            done = await self._steps.proceed(conn, refund_id)
            self._failpoints.hit("refunder.before_step")
        self._failpoints.hit("refunder.after_step")
        return done
