"""Deletes what report files hold after their time; the same bytes can be made again."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.services.seams import Clock
from bascule.storage import report_runs
from bascule.storage.database import Database

_log = structlog.get_logger()
AT_ONCE = 20  # files in a transaction


@dataclass(frozen=True)
class ReportRetention:
    """Ends files that are older than `keep`; what is known of them stays. Any number may run."""

    db: Database
    clock: Clock
    keep: timedelta
    name: str = "report_retention"

    async def run_once(self) -> int:
        """How many files ended; 0 when none is older."""
        now = self.clock.now()
        async with self.db.transaction() as conn:
            ended = await report_runs.end_files(conn, before=now - self.keep, at=now, limit=AT_ONCE)
        if ended:
            _log.info("report files ended", files=ended)
        return ended
