"""The worker of settlements: due times and settlements that can go on, each in a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from bascule.services import turns
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.settlement_steps import SettlementSteps
from bascule.storage import balance_settings, settlements
from bascule.storage.balance_settings import Subject
from bascule.storage.database import Database

BATCH = 100


@dataclass(frozen=True)
class Settler:
    """Looks for what is due; any number of settlers may run."""

    db: Database
    steps: SettlementSteps
    failpoints: Failpoints = NO_FAILPOINTS
    name: str = field(default="settler")

    async def run_once(self) -> int:
        """How much went on; 0 when nothing is due. Raises: as `turns.each`."""
        now = self.steps.clock.now()
        async with self.db.read() as conn:
            due = await balance_settings.due(conn, now, limit=BATCH)
            found = await settlements.due(conn, now, limit=BATCH)
        both: list[Subject | str] = [*due, *found]
        return await turns.each("settlement", both, self._go_on)

    async def _go_on(self, one: Subject | str) -> bool:
        return await (self._fall_due(one) if isinstance(one, Subject) else self._proceed(one))

    async def _fall_due(self, of: Subject) -> bool:
        async with self.db.transaction() as conn:
            done = await self.steps.fall_due(conn, of)
            self.failpoints.hit("settler.before_schedule")
        self.failpoints.hit("settler.after_schedule")
        return done

    async def _proceed(self, settlement_id: str) -> bool:
        async with self.db.transaction() as conn:
            done = await self.steps.proceed(conn, settlement_id)
            self.failpoints.hit("settler.before_step")
        self.failpoints.hit("settler.after_step")
        return done
