"""Whether the factory's collector is the one we know; while it is not, nothing is flushed there."""

from __future__ import annotations

from collections import Counter

import structlog

from bascule.chain import factory
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.storage import addresses, networks
from bascule.storage.database import Database

log = structlog.get_logger()


class CollectorWatch:
    """Asks the factory of a chain. counters: by chain, `collector_changed`, `collector_scheduled`."""

    def __init__(self, db: Database, counters: Counter[tuple[int, str]]) -> None:
        self._db = db
        self._counters = counters

    async def confirmed(self, rpc: Caller, chain_id: int) -> Address | None:
        """The collector, when factory, configuration and own addresses agree on it; else None, and an alarm.

        Raises as `Caller.call`.
        """
        async with self._db.read() as conn:
            network = await networks.get(conn, chain_id)
            own = await addresses.own(conn, chain_id)
        if network is None or network.deposit_factory is None:
            return None
        said = await factory.collectors(rpc, network.deposit_factory)
        if said.scheduled is not None:
            self._counters[chain_id, "collector_scheduled"] += 1
            log.warning("another collector is scheduled", chain=chain_id, next=checksum(said.scheduled))
        ours = network.collector
        if ours is not None and said.current == ours and own.get(ours) == "collector":
            return ours
        self._counters[chain_id, "collector_changed"] += 1
        log.error(
            "flushes stop: the factory's collector is not the configured one",
            chain=chain_id,
            factory_says="none" if said.current is None else checksum(said.current),
            configured="none" if ours is None else checksum(ours),
            registered=ours is not None and own.get(ours) == "collector",
        )
        return None
