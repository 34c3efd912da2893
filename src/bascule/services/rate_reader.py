"""Asks every source of rates in turn, and keeps what each said: quotes are made of nothing else.

Nobody who asks for a quote waits for a source: the newest kept price is the cache.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bascule.domain.rates import Pair
from bascule.services.rate_sources import RateSource
from bascule.services.seams import Clock
from bascule.storage import rates
from bascule.storage.database import Database
from bascule.storage.rates import Reading


@dataclass(frozen=True)
class RateReader:
    """Asks all sources at once, outside of any transaction."""

    db: Database
    clock: Clock
    sources: Sequence[RateSource]
    name: str = "rate_reader"

    async def run_once(self) -> int:
        """One look at all; 0, as there is nothing more to do until the next is due."""
        asked = [self._ask(source, pair) for source in self.sources for pair in source.pairs]
        readings = await asyncio.gather(*asked)
        if readings:
            async with self.db.transaction() as conn:
                await rates.insert(conn, readings)
        return 0

    async def _ask(self, source: RateSource, pair: Pair) -> Reading:
        now = self.clock.now()
        said = await source.ask(pair, now)
        return Reading(source.name, pair, now, said.as_of or now, said.raw, said.price, said.refusal)
