"""The rescreener: a new version of a list is held against what waits, so much a turn."""

from __future__ import annotations

from bascule.services import screening
from bascule.services.outbox import Outbox
from bascule.services.screening import Screening
from bascule.services.seams import Clock, Entropy
from bascule.storage import screening_lists, screenings
from bascule.storage.database import Database

AT_ONCE = 500  # of deposits, and of payouts


class Rescreener:
    """Holds deposits nobody is credited with and payouts not on their way, whose other side is listed by now.

    A deposit that is not final yet was decided without this; the watcher decides it anew when it becomes so.
    """

    name = "rescreener"

    def __init__(self, db: Database, clock: Clock, entropy: Entropy) -> None:
        self._db, self._clock = db, clock
        self._screening = Screening(Outbox(clock, entropy))

    async def run_once(self) -> int:
        """How many are held now that were not; 0 when every version was looked at."""
        async with self._db.read() as conn:
            if not await screening_lists.to_rescreen(conn):
                return 0
        async with self._db.transaction() as conn:
            await screening_lists.serialize(conn)
            came = await screenings.waiting_deposits(conn, AT_ONCE)
            goes = await screenings.waiting_payouts(conn, AT_ONCE)
            held = await self._screening.deposits(conn, came)
            stopped = await self._screening.payouts(conn, goes)
            await screening.book(conn, held)
            if max(len(came), len(goes)) < AT_ONCE:
                await screening_lists.rescreened(conn, self._clock.now())
        return len(held) + len(stopped)
