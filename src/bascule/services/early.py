"""Early success: covered intents whose money is not final, but as certain as their merchants asked.

Tokens whose balances do not follow their logs wait for finality, which suspends them. Nothing is booked here.
A deposit that is relied on is marked with the level it reached; its intent is computed anew from rows, as
ever, and a reorg takes the mark away with the block.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from bascule.chain.caller import Caller
from bascule.chain.errors import NodesContradict
from bascule.chain.heads import Header
from bascule.domain.early import read_level
from bascule.domain.finality import FinalityPolicy
from bascule.services import matcher
from bascule.services.balance_check import BalancesDisputed
from bascule.services.failpoints import Failpoints
from bascule.services.finalizer import Finalizer
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import deposits, leases
from bascule.storage.blocks import Cursor
from bascule.storage.database import Database
from bascule.storage.leases import Lease

_SEEN = FinalityPolicy("depth", 0)


@dataclass(frozen=True)
class Early:
    """Settles intents that need not wait until their money is final."""

    db: Database
    rpc: Caller
    finalizer: Finalizer
    clock: Clock
    outbox: Outbox
    failpoints: Failpoints
    counters: Counter[str]

    async def settle(self, cursor: Cursor, head: Header, lease: Lease) -> int:
        """Lets deposits count that reached their intents' levels; how many. Raises: as finality does.

        Only in blocks that are proven, counted on a chain that a quorum of nodes has, and where balances say
        what the logs say.
        """
        async with self.db.read() as conn:
            levels = await deposits.waiting_levels(conn, cursor.chain_id)
        if not levels or (heights := await self._heights(cursor, head, levels)) is None:
            return 0
        async with self.db.read() as conn:
            upto = await deposits.reliable_upto(conn, cursor.chain_id, heights)
        if upto is None or (broken := await self._broken(cursor, upto)) is None:
            return 0
        # what a merchant applies meanwhile may lie above what was compared
        heights = {level: min(reached, upto) for level, reached in heights.items()}
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            relied_on = await deposits.rely_on(conn, cursor.chain_id, heights, broken)
            await matcher.recompute(
                conn, {intent_id: {} for intent_id in relied_on.values()}, self.outbox, self.clock
            )
            self.failpoints.hit("watcher.before_early")
        self.failpoints.hit("watcher.after_early")
        self.counters["deposits_relied_on"] += len(relied_on)
        return len(relied_on)

    async def _broken(self, cursor: Cursor, upto: int) -> Collection[str] | None:
        """The tokens that moved otherwise than they logged, above what is final; None while nodes differ."""
        try:
            return await self.finalizer.balances.broken(cursor.finalized_number, upto, settled=False)
        except (BalancesDisputed, NodesContradict):
            self.counters["early_balances_disputed"] += 1
            return None

    async def _heights(self, cursor: Cursor, head: Header, levels: list[str]) -> dict[str, int] | None:
        """Up to which block each level is reached; None while nodes have another block on top than ours."""
        proven = await self.finalizer.proven(cursor)
        top = min(cursor.last_number, await self.finalizer.newest(_SEEN, head))
        if await self.finalizer.agreed(cursor, top, head, settled=False) is None:
            return None
        heights = {}
        for text in levels:
            level = read_level(text, "finality")
            reached = top - level.depth if level.kind == "depth" else await self.finalizer.newest(level, head)
            heights[text] = min(proven, top, reached)
        return heights
