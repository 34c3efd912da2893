"""Batches signed after a backup that was put back: no row has their bytes, and for a while they may run.

A lane that stands in rows may hold such a batch as well as one that does not, where bridge and signer came
from one backup. What it pays waits here as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bascule.domain.chain import Address, caip2
from bascule.domain.errors import Conflict
from bascule.domain.vault import LONGEST_BATCH_LIFE
from bascule.storage import address_epochs, blocks, lanes, payouts
from bascule.storage.database import Connection

UNSETTLED = "restore_unsettled"


@dataclass(frozen=True, slots=True)
class LostBytes:
    """A restore shows, and what was signed before it may run yet. checked_at: when a check after it ended."""

    checked_at: datetime | None

    @property
    def over(self) -> datetime | None:
        """What a final block's time has to pass, so that none can run; None until a restore check ended."""
        return None if self.checked_at is None else self.checked_at + LONGEST_BATCH_LIFE

    def until(self) -> str:
        """The same in words."""
        over = self.over
        return "an hour after a restore check" if over is None else f"{over:%Y-%m-%dT%H:%M:%SZ}"


async def may_run(conn: Connection, chain_id: int) -> LostBytes | None:
    """None where nothing shows a restore, or a final block is past every deadline from before it.

    Nor where rows know of no lane and of no block: no chain is waited for that nobody ever paid on.
    """
    restored = await address_epochs.restored(conn)
    if restored is None:
        return None
    lost = LostBytes(restored.checked_at)
    cursor = await blocks.cursor(conn, chain_id)
    if cursor is None and chain_id not in {paid_on for paid_on, _ in await lanes.vaults(conn)}:
        return None
    final = None if cursor is None else await blocks.canonical_at(conn, chain_id, cursor.finalized_number)
    if lost.over is not None and final is not None and datetime.fromtimestamp(final.time, UTC) > lost.over:
        return None
    return lost


async def unsettled(conn: Connection, chain_id: int, vault: Address) -> Sequence[str]:
    """Payouts of the vault that wait for that: the signer is asked for none of them until it is over."""
    if await may_run(conn, chain_id) is None:
        return ()
    return await payouts.ids_waiting(conn, chain_id, vault, UNSETTLED)


async def require_none(conn: Connection, chain_id: int) -> None:
    """Returns when nothing that is called off now can be paid by bytes no row has. Raises: Conflict."""
    lost = await may_run(conn, chain_id)
    if lost is not None:
        raise Conflict(
            UNSETTLED,
            "The database was restored from a backup, and a batch signed before that may still pay this on"
            f" {caip2(chain_id)}.",
            next_step=f"Ask again once a block of after {lost.until()} is final."
            if lost.over is not None
            else "Ask again once the operator's `bascule restore check` has ended, and an hour later.",
        )
