"""Whether the factory's collector is the one we know; while it is not, nothing is flushed there.

Two things stop flushes of a chain until an operator confirms them: a collector that is scheduled, and one in
place that is not ours. The watcher keeps what the factory says (`contract_events`); who is about to flush
asks the factory besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from bascule.chain import factory
from bascule.chain.caller import Caller
from bascule.chain.factory import Collectors
from bascule.domain.chain import Address, checksum, hex32
from bascule.domain.errors import Rejected
from bascule.storage import addresses, audit, contract_events, networks
from bascule.storage.contract_events import ContractEvent
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network

log = structlog.get_logger()


class CollectorWatch:
    """Asks rows and the factory. counters: by chain, `collector_changed`, `collector_scheduled`."""

    def __init__(self, db: Database, counters: Counter[tuple[int, str]]) -> None:
        self._db = db
        self._counters = counters

    async def confirmed(self, rpc: Caller, chain_id: int) -> Address | None:
        """The collector, when factory, network, own addresses and operator agree; else an alarm, and None.

        Raises as `Caller.call`.
        """
        async with self._db.read() as conn:
            network = await networks.get(conn, chain_id)
            own = await addresses.own(conn, chain_id)
            stop = await contract_events.stop(conn, chain_id)
        if network is None or network.deposit_factory is None:
            return None
        ours = network.collector
        said = await factory.collectors(rpc, network.deposit_factory)
        if ours is None or said.current != ours or own.get(ours) != "collector":
            self._counters[chain_id, "collector_changed"] += 1
            log.error(
                "flushes stop: the factory's collector is not the configured one",
                chain=chain_id,
                factory_says=_spelled(said.current),
                configured=_spelled(ours),
                registered=ours is not None and own.get(ours) == "collector",
            )
            return None
        if stop is not None or said.scheduled not in (None, network.collector_next):
            self._counters[chain_id, "collector_scheduled"] += 1
            coming = said.scheduled if stop is None else stop.collector
            log.error("flushes stop: another collector is scheduled", chain=chain_id, next=_spelled(coming))
            return None
        return ours


def tell(chain_id: int, events: Sequence[ContractEvent], counters: Counter[str]) -> None:
    """Counts and logs what a factory said of its collector, among what was said."""
    for event in events:
        if event.kind not in factory.COLLECTOR_WORDS:
            continue
        counters[f"collector_{event.kind}"] += 1
        log.warning(
            f"the collector is {event.kind}",
            chain=chain_id,
            collector=_spelled(event.subject),
            block=event.block_number,
            transaction=hex32(event.tx_hash),
        )


async def confirm(
    conn: Connection, network: Network, collector: Address, said: Collectors, *, reason: str
) -> bool:
    """The operator's word that a collector is ours; True when it is only scheduled yet.

    said: what the factory says. It becomes an address of ours in either case; flushes go on, to a scheduled
    one once it is in place and confirmed again. Raises: Rejected, when the factory names another.
    """
    if collector not in (said.current, said.scheduled):
        raise Rejected(
            "collector_unknown",
            f"the factory of chain {network.chain_id} does not name {checksum(collector)}: in place is"
            f" {_spelled(said.current)}, scheduled is {_spelled(said.scheduled)}",
            param="collector",
            next_step="confirm one of these, if it is yours; if not, see docs/operating/flushes.md",
        )
    kind = (await addresses.own(conn, network.chain_id)).get(collector)
    foreign = kind is None and await addresses.is_ours(conn, network.chain_id, collector)
    if kind not in (None, "collector") or foreign:
        raise Rejected(
            "collector_unfit",
            f"{checksum(collector)} is {'a deposit address or a token' if kind is None else f'our {kind}'}",
            param="collector",
            next_step="the collector is a treasury account or contract wallet of its own",
        )
    scheduled = collector != said.current
    await addresses.add_own(conn, network.chain_id, collector, "collector")
    await networks.confirm_collector(conn, network.chain_id, collector, scheduled=scheduled)
    told: dict[str, Any] = {"collector": checksum(collector), "scheduled": scheduled, "reason": reason}
    name = str(network.chain_id)
    await audit.append(conn, actor="cli", action="collector.confirm", object_id=name, details=told)
    return scheduled


def _spelled(address: Address | None) -> str:
    return "none" if address is None else checksum(address)
