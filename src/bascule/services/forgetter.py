"""Forgets answers that nobody asks for again, and what was asked."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bascule.services.seams import Clock
from bascule.storage import idempotency, requests
from bascule.storage.database import Connection, Database

_log = structlog.get_logger()
KEPT = timedelta(days=30)
AT_ONCE = 2_000  # in a transaction
TIMES = 50  # transactions in a turn


class _Forget(Protocol):
    def __call__(self, conn: Connection, *, before: datetime, limit: int) -> Awaitable[int]: ...


@dataclass(frozen=True)
class Forgetter:
    """Ends idempotency keys and lines of requests older than 30 days; references of money out stay for ever.

    Any number may run.
    """

    db: Database
    clock: Clock
    name: str = "forgetter"

    async def run_once(self) -> int:
        """How many answers and lines went; 0 when none is older."""
        answers = await self._forgotten(idempotency.forget)
        lines = await self._forgotten(requests.forget)
        if answers or lines:
            _log.info("forgotten", answers=answers, requests=lines)
        return answers + lines

    async def _forgotten(self, forget: _Forget) -> int:
        before, gone = self.clock.now() - KEPT, 0
        for _ in range(TIMES):
            async with self.db.transaction() as conn:
                found = await forget(conn, before=before, limit=AT_ONCE)
            gone += found
            if found < AT_ONCE:
                break
        return gone
