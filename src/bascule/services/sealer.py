"""Seals what was written, after it was written, so that no posting waits for a digest."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bascule.domain.seal import STREAMS, exported, seal
from bascule.services.seams import Clock
from bascule.storage import anchors, seals
from bascule.storage.database import Connection, Database
from bascule.storage.seals import Kept, Reach

AT_ONCE = 1_000  # rows of each stream under one seal


@dataclass(frozen=True)
class Sealer:
    """Makes the next seal over what is settled and not sealed yet; any number of sealers may run."""

    db: Database
    clock: Clock
    name: str = "sealer"

    async def run_once(self) -> int:
        """How many rows were sealed; 0 when all are, or another sealer was faster."""
        settled = Reach(*[await self._settled(stream) for stream in STREAMS])
        async with self.db.read() as conn:
            before = await seals.newest(conn)
            after = before.reach if before else Reach()
            rows = await seals.rows_between(conn, after, settled, AT_ONCE)
        if not rows:
            return 0
        last = {stream: row_id for stream, row_id, _ in rows}
        reach = Reach(*[last.get(stream, getattr(after, stream)) for stream in STREAMS])
        made = seal(before.seal if before else None, rows, self.clock.now().isoformat())
        async with self.db.transaction() as conn:
            return len(rows) if await seals.insert(conn, Kept(made, reach)) else 0

    async def _settled(self, stream: str) -> int:
        async with self.db.transaction() as conn:
            return await seals.settled(conn, stream)


async def export(conn: Connection) -> AsyncIterator[dict[str, Any]]:
    """All that was sealed, as it is now, with its seals and anchors: what `domain.seal.check` takes."""
    for sent in await anchors.sent(conn):
        yield sent.line()
    before, count = Reach(), 0
    async for kept in seals.every(conn):
        for line in exported(kept.seal, await seals.rows_between(conn, before, kept.reach, None)):
            yield line
        before, count = kept.reach, count + 1
    yield {"end": count}
