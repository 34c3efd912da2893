"""What an operator said about rates, in the words of the services that read and use them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from bascule.domain.rates import Rules
from bascule.entrypoints.schedule import Due
from bascule.services.quotes import NO_RULES
from bascule.services.rate_reader import RateReader
from bascule.services.rate_sources import FixedRates, HttpRates, RateSource
from bascule.services.seams import Clock
from bascule.settings.rates import FixedSource, RatesSettings

if TYPE_CHECKING:
    from bascule.storage.database import Database


def rules(given: RatesSettings | None) -> Rules:
    """How prices become a rate; without settings there is none."""
    if given is None:
        return NO_RULES
    return Rules(
        given.asked(), timedelta(seconds=given.max_age_s), given.spread_bps, given.pegs, given.peg_bound_bps
    )


async def due(given: RatesSettings | None, db: Database, clock: Clock, stack: AsyncExitStack) -> list[Due]:
    """The reader of rates, with its sources open until the stack closes; without settings there is none."""
    if given is None:
        return []
    sources: list[RateSource] = []
    for each in given.sources:
        if isinstance(each, FixedSource):
            sources.append(FixedRates(each.name, each.prices))
            continue
        http = HttpRates(
            each.name, each.pairs, each.url, each.price, each.time,
            guard=db.refuse_open_transaction, timeout_s=given.timeout_s,
        )  # fmt: skip
        sources.append(await stack.enter_async_context(http))
    return [Due(RateReader(db, clock, sources), given.interval_s)]
