"""A lane after a restore: what the vault did is taken over from the chain, and then the lane ends.

Each step commits by itself and is found done by the next call. A lane that is kept would be unsafe: a signed
batch that these rows forgot may still wait in somebody's pool, and only `retireLane` makes it worthless.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.chain import vault as vault_calls
from bascule.chain import vault_history
from bascule.chain.caller import Caller
from bascule.chain.hexes import quantity
from bascule.chain.vault_history import Executed
from bascule.domain import vault as layout
from bascule.domain.attempt import AttemptEvent
from bascule.domain.chain import BlockRef, Hash, hex32
from bascule.domain.errors import Retryable
from bascule.domain.payout import FailureCode, PayoutEvent, PayoutState
from bascule.domain.slot import SlotEvent, SlotState
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.submitted_batch import reference_of
from bascule.storage import attempts, audit, blocks, lanes, ledger, payouts, recovered, slots
from bascule.storage.blocks import moment
from bascule.storage.database import Connection, Database
from bascule.storage.lanes import Lane
from bascule.storage.payouts import PayoutRow
from bascule.storage.recovered import Item


@dataclass(frozen=True)
class LaneRecovery:
    """Recovers lanes, under the owner's login."""

    db: Database
    outbox: Outbox

    async def every(self) -> list[Lane]:
        """The lanes that are not retired."""
        async with self.db.read() as conn:
            return await lanes.every_open(conn)

    async def take_over(self, rpc: Caller, lane: Lane, start_block: int) -> int:
        """Takes over what the vault ran on the lane up to our final block; how many batches that were.

        start_block: no batch is older. Raises: Retryable when the watcher has not read far enough; Halted.
        """
        async with self.db.read() as conn:
            final = await _final(conn, lane)
            first = max(
                start_block,
                await attempts.final_up_to(conn, lane.chain_id, lane.wallet),
                await recovered.read_up_to(conn, lane.chain_id, lane.vault),
            )
        _, until = await vault_calls.lane(rpc, lane.vault, lane.lane, quantity(final.number))
        found = await vault_history.executed(
            rpc, lane.vault, lane.lane, first=min(first, final.number), last=final.number,
            head=lane.head, until=until,
        )  # fmt: skip
        for batch in found:
            await self._take_over(lane, batch)
        return len(found)

    async def retire(self, rpc: Caller, lane: Lane) -> bool:
        """Ends the lane, whose batches were all taken over; False until the vault has retired it, finally.

        Payouts that have an id of the lane and were not paid can never be: they are canceled.
        Raises: Retryable while a slot is in a block, as the submitter has to finish it.
        """
        async with self.db.read() as conn:
            final = await _final(conn, lane)
        at = quantity(final.number)
        if not await vault_calls.retired(rpc, lane.vault, lane.lane, at):
            return False
        _, head = await vault_calls.lane(rpc, lane.vault, lane.lane, at)
        async with self.db.transaction() as conn:
            lane = await lanes.lock(conn, lane.chain_id, lane.name)
            if lane.head != head:
                raise Retryable(f"lane {lane.name} ran another batch meanwhile; run this again")
            waiting = await payouts.unfinished_at(conn, lane.chain_id, lane.vault)
            mine = [p for p in waiting if p.vault_id is not None and layout.lane_of(p.vault_id) == lane.lane]
            await _close_slots(conn, lane)
            for payout in mine:
                await self._cancel(conn, payout)
            await lanes.retire(conn, lane)
            await _audit(conn, "lane.retire", lane, {"canceled": [payout.id for payout in mine]})
        return True

    async def _take_over(self, lane: Lane, batch: Executed) -> None:
        """One batch: kept by its tags, settled on the payouts these rows know, the head moved."""
        receipt, call = batch.receipt, batch.call
        items = {
            index: Item(layout.id_at(call.word, index), tag, _outcome(batch, index), to, amount)
            for (index, amount, to), tag in zip(map(layout.unpack_item, call.items), call.tags, strict=True)
        }
        async with self.db.transaction() as conn:
            lane = await lanes.lock(conn, lane.chain_id, lane.name)
            await _require_read(conn, lane, receipt.block_number, receipt.block_hash)
            block = await blocks.canonical_at(conn, lane.chain_id, receipt.block_number)
            assert block is not None, "it was read a moment ago"
            await recovered.insert(
                conn, lane.chain_id, lane.vault, call.token, receipt.tx_hash, receipt.block_number,
                list(items.values()),
            )  # fmt: skip
            known = {
                layout.tag(reference_of(payout)): payout
                for payout in await payouts.unfinished_at(conn, lane.chain_id, lane.vault)
            }
            settled = {}
            for index, item in items.items():
                if (payout := known.get(item.tag)) is not None and item.outcome != "skipped":
                    await self._settle(conn, payout, item, batch, index, block)
                    settled[payout.id] = item.outcome
            await lanes.move_head(conn, lane, old=call.expected_head, new=batch.event.head)
            details = {"payouts": settled, "unknown": len(items) - len(settled)}
            await _audit(conn, "restore.batch", lane, {"transaction": hex32(receipt.tx_hash), **details})

    async def _settle(
        self, conn: Connection, payout: PayoutRow, item: Item, batch: Executed, index: int, block: BlockRef
    ) -> None:
        """The payout goes the way it went before, as far as it has not gone it here."""
        before = payout
        if payout.state is PayoutState.REQUIRES_ACTION:
            payout = await payouts.advance_to_pending(conn, payout)
            await ledger.post_hold(conn, payout.id)
        if payout.state is PayoutState.PENDING:
            [payout] = await payouts.advance_to_in_transit(conn, [(item.vault_id, payout)])
        for slot in await slots.of_payout(conn, payout.id):
            for each in await slots.items(conn, slot):
                if each.payout_id == payout.id and each.outcome == "open":
                    await slots.decide_items(conn, slot, [each.position], item.outcome)
        if item.outcome == "paid":
            log_index = batch.paid[index].log_index
            [done] = await payouts.advance_to_paid(
                conn, [(payout, log_index)], paid_at=moment(block), block_hash=block.hash
            )
            await ledger.post_payout(conn, payout.id)
            await tell(conn, self.outbox, EventType.PAYOUT_PAID, done, before=before)
        else:
            failed = await payouts.advance(
                conn, payout, PayoutEvent.REFUSE, failure_code=FailureCode.REFUSED_BY_TOKEN
            )
            await ledger.post_release(conn, payout.id)
            await tell(conn, self.outbox, EventType.PAYOUT_FAILED, failed, before=before)

    async def _cancel(self, conn: Connection, payout: PayoutRow) -> None:
        waits = payout.state is PayoutState.REQUIRES_ACTION
        ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL if waits else PayoutEvent.RETIRE)
        if not waits:
            await ledger.post_release(conn, payout.id)
        await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)


def _outcome(batch: Executed, index: int) -> recovered.Outcome:
    if index in batch.paid:
        return "paid"
    return "refused" if batch.event.refused >> index & 1 else "skipped"


async def _final(conn: Connection, lane: Lane) -> BlockRef:
    cursor = await blocks.cursor(conn, lane.chain_id)
    final = (
        None if cursor is None else await blocks.canonical_at(conn, lane.chain_id, cursor.finalized_number)
    )
    if final is None:
        raise Retryable(
            f"the watcher has read no final block of chain {lane.chain_id}; start it, then run this again"
        )
    return final


async def _require_read(conn: Connection, lane: Lane, number: int, block_hash: Hash) -> None:
    block = await blocks.canonical_at(conn, lane.chain_id, number)
    if block is None or block.hash != block_hash:
        raise Retryable(
            f"the watcher has not read block {number} of chain {lane.chain_id}; let it, then run this again"
        )


async def _close_slots(conn: Connection, lane: Lane) -> None:
    """No batch of the lane can run: what its slots carried is free, and nobody waits for their nonces."""
    for known in await slots.unfinished(conn, lane.chain_id, lane.wallet):
        slot = await slots.lock(conn, known.chain_id, known.wallet, known.nonce)
        if slot.state is SlotState.MINED:
            raise Retryable(
                f"nonce {slot.nonce} of lane {lane.name} is in a block: its submitter ends it, if it runs"
            )
        for item in await slots.items(conn, slot):
            if item.outcome == "open":
                await slots.decide_items(conn, slot, [item.position], "released")
        for attempt in await attempts.of_slot(conn, slot):
            await attempts.advance(conn, attempt, AttemptEvent.SUPERSEDE)
        await slots.advance(conn, slot, SlotEvent.LOSE)


async def _audit(conn: Connection, action: str, lane: Lane, details: dict[str, object]) -> None:
    await audit.append(
        conn, actor="cli", action=action, object_id=f"{lane.chain_id}/{lane.name}", details=details
    )
