"""Makes room in the journal before it is needed."""

from dataclasses import dataclass

import structlog

from bascule.storage import partitions
from bascule.storage.database import Database

_log = structlog.get_logger()


@dataclass(frozen=True)
class Partitioner:
    """Keeps half a partition of entries free: fifty million transactions. Any number may run."""

    db: Database
    name: str = "partitioner"

    async def run_once(self) -> int:
        """How many partitions were made; 0 when there is room enough."""
        async with self.db.transaction() as conn:
            made = await partitions.extend_entries(conn)
        if made:
            _log.info("the journal has another partition")
        return made
