"""Forgets answers that nobody asks for again."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.services.seams import Clock
from bascule.storage import idempotency
from bascule.storage.database import Database

_log = structlog.get_logger()
KEPT = timedelta(days=30)
AT_ONCE = 2_000  # answers in a transaction
TIMES = 50  # transactions in a turn


@dataclass(frozen=True)
class Forgetter:
    """Ends idempotency keys that are older than 30 days; references of money out stay for ever.

    Any number may run.
    """

    db: Database
    clock: Clock
    name: str = "forgetter"

    async def run_once(self) -> int:
        """How many answers went; 0 when none is older."""
        before, gone = self.clock.now() - KEPT, 0
        for _ in range(TIMES):
            async with self.db.transaction() as conn:
                found = await idempotency.forget(conn, before=before, limit=AT_ONCE)
            gone += found
            if found < AT_ONCE:
                break
        if gone:
            _log.info("stored answers forgotten", answers=gone)
        return gone
