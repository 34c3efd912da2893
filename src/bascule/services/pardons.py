"""Pardons: what an operator says of a node reaches the pool of every process, through a row."""

from collections.abc import Mapping

import structlog

from bascule.chain.pool import Pool
from bascule.domain.chain import ChainId
from bascule.storage import pardons
from bascule.storage.database import Database

_log = structlog.get_logger()


class Pardons:
    """Lets liars back into this process's pools; what was pardoned before its first look is past."""

    def __init__(self, db: Database, pools: Mapping[ChainId, Pool]) -> None:
        self.name = "pardons"
        self._db, self._pools = db, pools
        self._newest: int | None = None

    async def run_once(self) -> int:
        """How many nodes of ours were let back."""
        async with self._db.read() as conn:
            if self._newest is None:
                self._newest = await pardons.newest(conn)
            found = await pardons.since(conn, self._newest)
        done = 0
        for number, chain_id, node in found:
            self._newest = number
            if chain_id in self._pools and self._pools[chain_id].pardon(node):
                _log.warning("a node is asked again", chain_id=chain_id, node=node)
                done += 1
        return done
