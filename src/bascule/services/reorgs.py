"""Reorganisations: where the chain forks from ours, and taking back what was believed above it."""

from collections import Counter
from dataclasses import dataclass

import structlog

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.chain.errors import NodesContradict
from bascule.chain.heads import Header
from bascule.domain import finality
from bascule.domain.chain import BlockRef, Hash
from bascule.domain.errors import Halted, Retryable
from bascule.domain.webhook import EventType
from bascule.services import network_events
from bascule.services.arrivals import Arrivals
from bascule.services.failpoints import Failpoints
from bascule.services.halts import Halts
from bascule.services.network_events import Reorg
from bascule.services.token_watch import TokenWatch
from bascule.storage import blocks, leases, transfers
from bascule.storage.blocks import Cursor
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease

_log = structlog.get_logger()
_STEP = 64  # headers per request on the way back


class NodeBehind(Retryable):
    """The node does not have a block that we know to be final; it has to catch up."""


@dataclass(frozen=True)
class Reorgs:
    """Finds the fork and moves back to it. depths: how often so many blocks were taken back."""

    db: Database
    rpc: Caller
    arrivals: Arrivals
    halts: Halts
    token_watch: TokenWatch
    failpoints: Failpoints
    counters: Counter[str]
    depths: Counter[int]

    async def go_back(self, cursor: Cursor, head_number: int, head: Header, lease: Lease) -> int:
        """Marks everything above the fork as orphaned and puts the cursor there; how many blocks that were.

        The operator is told. head_number: how far the other fork reaches; head: the newest the nodes have.
        Raises: FinalizedBlockGone, FinalBlockDisputed (Halted) when a final block is gone or in dispute,
        after latching that in the database; NodeBehind when no node can tell.
        """
        try:
            fork = await self._fork(cursor)
        except NodesContradict:  # about blocks that may change still, or about a final one
            await self.require_final(cursor, head_number, lease)
            raise
        if fork is None:
            await self.require_final(cursor, head_number, lease)
            raise NodeBehind(f"no node has block {cursor.finalized_number}, which was final")
        if fork.number == cursor.last_number:
            return 0  # it was one node's word: a quorum has what we read
        depth = await self._go_to(cursor, fork, lease, head)
        self.counters["reorgs"] += 1
        _log.warning("the chain was reorganised", chain_id=cursor.chain_id, fork=fork.number, depth=depth)
        return depth

    async def require_final(self, cursor: Cursor, head_number: int, lease: Lease) -> None:
        """Returns unless a quorum shows that what we hold final is gone, or nodes differ about it.

        head_number: how far the nodes' chain reaches; where that is below what is final, it is held against
        the final block at that height. Raises: FinalizedBlockGone, FinalBlockDisputed, both latched.
        """
        height = min(cursor.finalized_number, head_number)
        async with self.db.read() as conn:
            ours = await blocks.canonical_at(conn, cursor.chain_id, height)
        why: Halted
        try:
            [theirs] = await heads.agreed_by_numbers(self.rpc, [height], settled=True)
            if theirs is None or ours is None or theirs.hash == ours.hash:
                return
            why = finality.FinalizedBlockGone(finalized_number=cursor.finalized_number, height=height)
        except NodesContradict:
            why = finality.FinalBlockDisputed(number=height)
        await self.halts.latch(cursor, why, lease, disputed=height)
        raise why

    async def go_behind(self, cursor: Cursor, block: BlockRef, lease: Lease) -> int:
        """Takes back a block that is not final and all above it, to be read again; how many blocks."""
        async with self.db.read() as conn:
            below = await blocks.canonical_at(conn, cursor.chain_id, block.number - 1)
        assert below is not None, "every block but the first, which is final, stands on one we have"
        return await self._go_to(cursor, below, lease)

    async def _go_to(self, cursor: Cursor, fork: BlockRef, lease: Lease, head: Header | None = None) -> int:
        """head: what the nodes have instead; None where it is we who misread."""
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            await blocks.move_cursor(conn, cursor, fork)
            await blocks.orphan_above(conn, cursor.chain_id, fork.number)
            await transfers.orphan_above(conn, cursor.chain_id, fork.number)
            orphaned = await self.arrivals.orphan_above(conn, fork.number)
            await self.token_watch.orphan_above(conn, fork.number)
            if head is not None:
                old, new = (cursor.last_number, cursor.last_hash), (head.number, head.hash)
                await self._tell(conn, Reorg((fork.number, fork.hash), old, new, orphaned))
            self.failpoints.hit("watcher.before_reorg")
        self.failpoints.hit("watcher.after_reorg")
        depth = cursor.last_number - fork.number
        self.counters["blocks_orphaned"] += depth
        self.depths[depth] += 1
        return depth

    async def _tell(self, conn: Connection, reorg: Reorg) -> None:
        network, outbox = self.halts.network, self.halts.outbox
        await blocks.count_reorg(conn, network.chain_id)
        await network_events.tell(conn, network, outbox, EventType.NETWORK_REORG_DETECTED, reorg=reorg)

    async def _fork(self, cursor: Cursor) -> BlockRef | None:
        """The newest block down to the finalized one that a quorum of nodes has too, if there is one."""
        for last in range(cursor.last_number, cursor.finalized_number - 1, -_STEP):
            first = max(cursor.finalized_number, last - _STEP + 1)
            async with self.db.read() as conn:
                read = await blocks.canonical_between(conn, cursor.chain_id, first, last)
            part = [block.ref for block in reversed(read)]
            heights = [block.number for block in part]
            headers = await heads.agreed_by_numbers(self.rpc, heights, settled=False)
            theirs: dict[int, Hash | None] = {
                block.number: None if header is None else header.hash
                for block, header in zip(part, headers, strict=True)
            }
            fork = finality.fork_point(part, theirs.get)
            if fork is not None:
                return fork
        return None
