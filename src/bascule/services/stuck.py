"""Says of a slot that it does not move by itself, and tells whoever waits for it."""

from __future__ import annotations

import structlog

from bascule.domain.slot import SlotKind
from bascule.domain.slot_stuck import Stuck
from bascule.services.lane_work import LaneWork
from bascule.storage import slots
from bascule.storage.database import Connection
from bascule.storage.slots import Slot

log = structlog.get_logger()


async def mark(conn: Connection, work: LaneWork, slot: Slot, why: Stuck | None) -> None:
    """The locked slot is stuck for this reason, or for none; who waits for it is told when that is new."""
    if not await slots.mark_stuck(conn, slot, why):
        return
    if why is not None:
        log.error("slot is stuck", wallet=slot.wallet.hex(), nonce=slot.nonce, reason=why.value)
    if slot.kind is not SlotKind.FILL:  # which carries nothing that anybody waits for
        await work.flag(conn, slot, why is not None)
