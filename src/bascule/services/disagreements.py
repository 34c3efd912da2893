"""Disagreements among nodes: what the pool kept is stored, whatever else the watcher can do now."""

from collections import Counter
from dataclasses import dataclass

import structlog

from bascule.chain.caller import Caller
from bascule.domain.chain import ChainId
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.storage import disagreements, leases
from bascule.storage.database import Database
from bascule.storage.leases import Lease

_log = structlog.get_logger()


@dataclass(frozen=True)
class Disagreements:
    """Moves the pool's evidence to the database; it leaves the pool only when it is there."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    clock: Clock
    failpoints: Failpoints
    counters: Counter[str]

    async def store(self, lease: Lease) -> None:
        """Everything that nodes disagreed about so far is stored when this returns."""
        found = self.rpc.evidence.pending
        if not found:
            return
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            await disagreements.record(conn, self.chain_id, found, self.clock.now())
            self.failpoints.hit("watcher.before_disagreements")
        self.failpoints.hit("watcher.after_disagreements")
        self.rpc.evidence.drop(len(found))
        self.counters["node_disagreements"] += len(found)
        for each in found:
            _log.warning(
                "nodes disagree", chain_id=self.chain_id, node=each.node, other=each.other, why=each.why
            )
