"""Disagreements among nodes: what a process's pools kept is stored, whatever else the process can do now."""

from collections import Counter
from collections.abc import Mapping

import structlog

from bascule.chain.caller import Caller
from bascule.domain.chain import ChainId
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.storage import disagreements, networks
from bascule.storage.database import Database

_log = structlog.get_logger()


class Disagreements:
    """Moves the evidence of pools, by their chains, to the database; it leaves a pool only when it is there.

    Who leads does not matter: each process has its own answers. Two of a process must not share a pool.
    """

    name = "disagreements"

    def __init__(
        self,
        db: Database,
        rpcs: Mapping[ChainId, Caller],
        clock: Clock,
        failpoints: Failpoints,
        counters: Counter[str] | None = None,
    ) -> None:
        self._db, self._rpcs, self._clock, self._failpoints = db, rpcs, clock, failpoints
        self._counters = Counter() if counters is None else counters

    async def run_once(self) -> int:
        """Everything that nodes disagreed about so far is stored when this returns; always 0."""
        for chain_id, rpc in self._rpcs.items():
            await self._store(chain_id, rpc)
        return 0

    async def _store(self, chain_id: ChainId, rpc: Caller) -> None:
        found = rpc.evidence.pending
        if not found:
            return
        async with self._db.transaction() as conn:
            if await networks.get(conn, chain_id) is None:
                return  # its nodes may be asked before it is registered: it stays at hand until then
            await disagreements.record(conn, chain_id, found, self._clock.now())
            self._failpoints.hit("watcher.before_disagreements")
        self._failpoints.hit("watcher.after_disagreements")
        rpc.evidence.drop(len(found))
        self._counters["node_disagreements"] += len(found)
        for each in found:
            _log.warning("nodes disagree", chain_id=chain_id, node=each.node, other=each.other, why=each.why)
