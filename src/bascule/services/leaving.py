"""Which payouts of a vault may begin a new round, be denied or move now; and why the others wait.

What a vault left for this one has no lane for is among them: a lane of the chain's new one asks anew. Where a
lane is open there still, that one does. Approvals name the vault, so nobody's old ones pay from another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bascule.chain.caller import Caller
from bascule.domain.chain import Address
from bascule.domain.errors import Retryable
from bascule.services import forgotten_lanes, lost_bytes
from bascule.storage import payout_rounds
from bascule.storage.database import Database

log = structlog.get_logger()

UNSETTLED = lost_bytes.UNSETTLED
UNCHECKED = "restore_unchecked"
UNREAD = "vault_unread"


@dataclass(frozen=True, slots=True)
class Due:
    """Ids of payouts that are out of date. ready: to be settled; waiting: which are not yet, by reason."""

    ready: Sequence[str]
    waiting: Mapping[str, Sequence[str]]


async def due(db: Database, rpc: Caller, chain_id: int, vault: Address, now: datetime) -> Due:
    """What is out of date at the vault, and what the vaults left for it have no lane for.

    After a restore signed bytes that no row has may pay what rows say waits. While they may run, nothing that
    their vault may pay ends, moves or is asked about anew; nor where a lane in no row paid, until `bascule
    restore check` took that over. Costs no question to a node where nothing is out of date.
    """
    async with db.read() as conn:
        found = await payout_rounds.left_behind(conn, chain_id, vault)
        here = await payout_rounds.due(conn, chain_id, vault, now)
    ready: list[str] = []
    waiting: dict[str, list[str]] = {}
    for at, ids in ((vault, here), *found.items()) if here else found.items():
        why = await _not_yet(db, rpc, chain_id, at, left=at != vault)
        if why is None:
            ready += ids
        else:
            waiting.setdefault(why, []).extend(ids)
    return Due(ready, waiting)


async def _not_yet(db: Database, rpc: Caller, chain_id: int, vault: Address, *, left: bool) -> str | None:
    """Why payouts of the vault wait. left: no lane of ours there compared it with the chain."""
    at = vault.hex()
    try:
        if await forgotten_lanes.pending(db, rpc, chain_id, vault) is not None:
            return UNSETTLED
        if left and await forgotten_lanes.ran(db, rpc, chain_id, vault):
            log.error("a vault that was left has lanes in no row: run `bascule restore check`", vault=at)
            return UNCHECKED
    except Retryable as error:
        log.warning("payouts stay as they are with their vault", vault=at, reason=str(error))
        return UNREAD
    return None
