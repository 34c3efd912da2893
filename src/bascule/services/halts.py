"""Halts: a chain whose final blocks are in doubt stops for everybody, until a hash or a person settles it.

The latch is a row, so restarts, silence and errors leave it. While it is set the database books nothing of
the chain, and the submitter reserves, signs and sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.domain.chain import caip2, hex32
from bascule.domain.errors import Halted, Retryable
from bascule.domain.webhook import EventType
from bascule.services import network_events
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.storage import audit, blocks, leases
from bascule.storage.blocks import Cursor
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.networks import Network

_log = structlog.get_logger()


@dataclass(frozen=True)
class Halts:
    """Latches and lifts the halt of one chain, each with a line of audit and an event to the operator."""

    db: Database
    rpc: Caller
    network: Network
    outbox: Outbox
    failpoints: Failpoints

    async def latch(self, cursor: Cursor, why: Halted, lease: Lease, *, disputed: int | None) -> None:
        """The chain is halted when this returns; the first reason stays. disputed: as `Cursor`."""
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            if await blocks.halt(conn, cursor.chain_id, str(why), disputed):
                final = {"finalized_number": cursor.finalized_number, "hash": hex32(cursor.finalized_hash)}
                await audit.append(
                    conn,
                    actor="process:watcher",
                    action="chain.halt",
                    object_id=caip2(cursor.chain_id),
                    details={"reason": str(why), "disputed_number": disputed, **final},
                )
                await network_events.tell(conn, self.network, self.outbox, EventType.NETWORK_DEGRADED)
            self.failpoints.hit("watcher.before_halt")
        self.failpoints.hit("watcher.after_halt")
        _log.error("the chain is halted", chain_id=cursor.chain_id, reason=str(why))

    async def settled(self, halted: Cursor, lease: Lease) -> bool:
        """Whether a halt ends now: a quorum shows our final block at its height, and what was in dispute.

        Only an answer lifts a halt: silence, errors and a chain that is too short leave it.
        """
        if halted.disputed_number is None:
            return False
        heights = sorted({halted.finalized_number, halted.disputed_number})
        try:
            theirs = await heads.agreed_by_numbers(self.rpc, heights, settled=False)
        except Retryable as error:
            _log.info("the halt stays", chain_id=halted.chain_id, why=str(error))
            return False
        by_height = dict(zip(heights, theirs, strict=True))
        async with self.db.read() as conn:
            ours = await blocks.canonical_at(conn, halted.chain_id, heights[0])
        final, lowest = by_height[halted.finalized_number], theirs[0]
        if None in theirs or final is None or final.hash != halted.finalized_hash:
            return False
        if (
            lowest is None or ours is None or lowest.hash != ours.hash
        ):  # it cannot stand below our final block
            return False
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            shown = {"verified": {str(h): hex32(each.hash) for h, each in by_height.items() if each}}
            await lift(conn, halted, self.network, self.outbox, actor="process:watcher", details=shown)
            self.failpoints.hit("watcher.before_resume")
        self.failpoints.hit("watcher.after_resume")
        _log.warning("the chain goes on: its final block is there", chain_id=halted.chain_id)
        return True


async def lift(
    conn: Connection,
    halted: Cursor,
    network: Network,
    outbox: Outbox,
    *,
    actor: str,
    details: Mapping[str, object],
) -> bool:
    """Lifts the halt in the caller's transaction; False when that halt was lifted meanwhile."""
    if not await blocks.resume(conn, halted):
        return False
    await audit.append(
        conn,
        actor=actor,
        action="chain.resume",
        object_id=caip2(halted.chain_id),
        details={"was": halted.halted_reason, **details},
    )
    await network_events.tell(conn, network, outbox, EventType.NETWORK_RECOVERED)
    return True
