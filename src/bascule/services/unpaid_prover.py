"""Proves of payouts that ended unpaid that no batch can pay them any more: the worker's part of evidence.

What the vault said in a receipt is kept with the end itself. Here is the rest: an id that no block has used,
and no batch may use, as its lane is retired or every deadline is over.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from bascule.chain import state_reading
from bascule.chain.caller import Caller
from bascule.chain.payout_evidence import Ending
from bascule.chain.state_proof import Storage
from bascule.domain import vault as layout
from bascule.domain import vault_storage
from bascule.domain.chain import Address, BlockRef, ChainId
from bascule.services.seams import Clock
from bascule.storage import blocks, negatives
from bascule.storage.database import Connection, Database
from bascule.storage.negatives import Negative, Wanted

log = structlog.get_logger()

AT_ONCE = 100


class UnpaidProver:
    """Looks at every chain it has nodes for. at_once: payouts of a chain in one look."""

    name = "unpaid_prover"

    def __init__(
        self, db: Database, clock: Clock, rpcs: Mapping[int, Caller], at_once: int = AT_ONCE
    ) -> None:
        self._db = db
        self._clock = clock
        self._rpcs = rpcs
        self._at_once = at_once
        self._after: dict[int, str] = {}  # by chain, where the next look begins

    async def run_once(self) -> int:
        """One look at the next payouts that lack their proof; always 0, as a second would find nothing newer.

        Those of which nothing can be proven keep nobody waiting: each look goes on where the last one ended,
        and begins again after the last payout.
        """
        for chain_id, rpc in self._rpcs.items():
            async with self._db.read() as conn:
                wanted, after = await negatives.wanted(
                    conn, chain_id, self._at_once, self._after.get(chain_id, "")
                )
                self._after[chain_id] = after
                final = await _final(conn, chain_id)
            if final is not None:
                for each in wanted:
                    await self._look(rpc, each, final)
        return 0

    async def _look(self, rpc: Caller, each: Wanted, final: BlockRef) -> None:
        found = await read_negative(rpc, each, final)
        if found is None:
            return
        asked = rpc.names
        async with self._db.transaction() as conn:
            await negatives.insert(conn, each.payout_id, found, asked, self._clock.now())


async def _final(conn: Connection, chain_id: ChainId) -> BlockRef | None:
    """The newest final block; None while it is in doubt."""
    cursor = await blocks.cursor(conn, chain_id)
    if cursor is None or cursor.halted_reason is not None:
        return None
    return await blocks.canonical_at(conn, chain_id, cursor.finalized_number)


async def read_negative(rpc: Caller, each: Wanted, final: BlockRef) -> Negative | None:
    """What a final block proves of a payout that ended unpaid; None while it proves nothing.

    Raises: RpcError when no node keeps the block's state; as `Caller.call`.
    """
    lane = layout.lane_of(each.vault_id)
    slots = [vault_storage.used_slot(each.vault_id), vault_storage.lane_slot(lane)]
    storage = await state_reading.read(rpc, final.hash, each.vault, slots)
    if storage is None:
        return None
    mask, lane_word = _words(storage, each.vault, slots)
    if vault_storage.is_used(mask, each.vault_id):
        log.error("the vault used the id of a payout that ended unpaid", payout=each.payout_id)
        return None
    told = msgspec.to_builtins(storage)
    if vault_storage.is_retired(lane_word):
        return Negative("lane_retired", each.chain_id, final.hash, storage=told)
    ending = _ending(each)
    if not ending.deadlines or final.time <= max(*ending.deadlines, ending.ended_at + ending.life):
        return None
    return Negative(
        "deadline_passed", each.chain_id, final.hash, storage=told, ending=msgspec.to_builtins(ending)
    )


def _words(storage: Storage, vault: Address, slots: list[int]) -> tuple[int, int]:
    words = state_reading.words(storage, vault)
    return words[slots[0]], words[slots[1]]


def _ending(each: Wanted) -> Ending:
    return Ending(
        deadlines=[int(deadline.timestamp()) for deadline in each.deadlines],
        ended_at=int(each.ended_at.timestamp()),
        life=int(layout.LONGEST_BATCH_LIFE.total_seconds()),
    )
