"""Payouts of a vault that was left and has no lane of ours any more: a lane of the chain's new one asks anew.

Where a lane is open still, that one does. Approvals name the vault, so nobody's old ones pay from another.
"""

from __future__ import annotations

import structlog

from bascule.chain.caller import Caller
from bascule.domain.chain import Address
from bascule.domain.errors import Retryable
from bascule.services import forgotten_lanes
from bascule.storage import payout_rounds
from bascule.storage.database import Database

log = structlog.get_logger()


async def left_behind(db: Database, rpc: Caller, chain_id: int, vault: Address) -> list[str]:
    """Ids of payouts that may go from the vaults left for this one, which must not have paid them.

    A vault of which a lane is in no row (a backup was put back) may have paid what rows say waits: nothing
    goes from it until `bascule restore check` took that over.
    """
    async with db.read() as conn:
        found = await payout_rounds.left_behind(conn, chain_id, vault)
    free: list[str] = []
    for left, ids in found.items():
        try:
            pending = await forgotten_lanes.pending(db, rpc, chain_id, left)
            unknown = pending is not None or await forgotten_lanes.ran(db, rpc, chain_id, left)
        except Retryable as error:
            log.warning("payouts stay with the vault that was left", vault=left.hex(), reason=str(error))
            continue
        if unknown:
            log.error(
                "the vault that was left has lanes in no row: run `bascule restore check`", vault=left.hex()
            )
        else:
            free += ids
    return free
