"""What the chain did with a slot: in a block, out of it again, final. Only our own canonical blocks count."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bascule.chain import block_receipts, receipts
from bascule.chain.caller import Caller
from bascule.chain.node_words import Bytes
from bascule.chain.receipts import Receipt
from bascule.domain.attempt import AttemptEvent, AttemptState
from bascule.domain.chain import BlockRef
from bascule.domain.errors import Retryable
from bascule.domain.slot import SlotEvent, SlotKind, SlotState
from bascule.domain.slot_stuck import Stuck
from bascule.services import nonce_loss, unlisted
from bascule.services.evidence import Evidence
from bascule.services.failpoints import Failpoints
from bascule.services.lane_work import LaneWork
from bascule.services.nonce_loss import Loss
from bascule.services.seams import Clock
from bascule.services.stuck import mark
from bascule.storage import attempts, blocks, leases, ledger, offers, slots, transfers
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.deposit_proofs import Kept
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()


class Confirmation:
    """Follows the attempts of one lane's slots to finality."""

    def __init__(
        self, db: Database, rpc: Caller, work: LaneWork, evidence: Evidence, *, clock: Clock,
        failpoints: Failpoints,
    ) -> None:  # fmt: skip
        self._db = db
        self._rpc = rpc
        self._work = work
        self._clock = clock
        self._failpoints = failpoints
        self._evidence = evidence

    async def observe(self, slot: Slot, lease: Lease) -> int:
        """Looks up every attempt of the slot and takes over what our canonical blocks confirm.

        A receipt counts only as its block's root proves it, or as a quorum tells it where headers prove
        nothing: a node may bend an outcome or a fee. A slot that is only reserved has no attempt: the first
        one is kept with its change of state.
        """
        if slot.state is SlotState.RESERVED:
            return 0
        async with self._db.read() as conn:
            known = await attempts.of_slot(conn, slot)
            await unlisted.recall(conn, self._rpc, slot.chain_id)
        if not known:
            return 0
        found = await receipts.of(self._rpc, [attempt.tx_hash for attempt in known])
        seen = [
            await block_receipts.proven(self._rpc, receipt, attempt.fees)
            for attempt, receipt in zip(known, found, strict=True)
            if receipt is not None
        ]
        loss = Loss.NONE if seen else await self._loss(slot, known)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            done = await self._reopen_if_orphaned(conn, slot)
            done += await self._include(conn, slot, seen)
            done += await self._face_loss(conn, slot, loss)
            if done:
                self._failpoints.hit("submitter.before_observe")
        if done:
            self._failpoints.hit("submitter.after_observe")
        kept = await self._proof(slot, seen)
        return done + await self._finalize(slot, seen, kept, lease)

    async def _reopen_if_orphaned(self, conn: Connection, slot: Slot) -> int:
        slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
        mined = _mined(await attempts.of_slot(conn, slot))
        if mined is None or await _block_of(conn, mined) is not None:
            return 0
        await attempts.advance_to_offered(conn, mined, AttemptEvent.ORPHAN, self._clock.now())
        await slots.advance(conn, slot, SlotEvent.ORPHAN)
        await self._tell(conn, slot, mined)
        log.warning("transaction was orphaned", tx_hash=mined.tx_hash.hex(), nonce=slot.nonce)
        return 1

    async def _include(self, conn: Connection, slot: Slot, seen: Sequence[Receipt]) -> int:
        slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
        if slot.state not in (SlotState.SIGNED, SlotState.BROADCAST):
            return 0
        for receipt in seen:
            block = await blocks.canonical_at(conn, slot.chain_id, receipt.block_number)
            if block is None or block.hash != receipt.block_hash:
                continue  # the watcher has not read that block, or believes in another one
            attempt = await attempts.lock(conn, receipt.tx_hash)
            await attempts.advance_to_mined(
                conn,
                attempt,
                block_hash=receipt.block_hash,
                block_number=receipt.block_number,
                succeeded=receipt.succeeded,
                fee_paid=receipt.fee_paid,
            )
            await mark(conn, self._work, slot, None)
            offer = (SlotEvent.OFFER,) if slot.state is SlotState.SIGNED else ()
            await slots.advance(conn, slot, *offer, SlotEvent.INCLUDE)
            await self._tell(conn, slot, attempt)
            return 1
        return 0

    async def _tell(self, conn: Connection, slot: Slot, before: Attempt) -> None:
        """An attempt of the slot is in a block, or out of one, and was not before."""
        if slot.kind is not SlotKind.FILL:  # which carries nothing that anybody waits for
            await self._work.tried(conn, slot, before.tx_hash, before)

    async def _loss(self, slot: Slot, known: Sequence[Attempt]) -> Loss:
        """Whether the nonce is gone, at our final block; asked only once a node has said that it is used."""
        async with self._db.read() as conn:
            said = [told for each in known for told in await offers.of_attempt(conn, each.tx_hash)]
            cursor = await blocks.cursor(conn, slot.chain_id)
            if cursor is None or not any(told.bytes == Bytes.NONCE_USED for told in said):
                return Loss.NONE
            final = await blocks.canonical_at(conn, slot.chain_id, cursor.finalized_number)
            older = await attempts.final_below(conn, slot)
        if final is None:
            return Loss.NONE
        hashes = [each.tx_hash for each in known]
        loss = await nonce_loss.look(self._rpc, slot.wallet, slot.nonce, hashes, final, older)
        if loss is not Loss.CERTAIN:
            return loss
        async with self._db.read() as conn:  # nodes that hide a receipt told us of the money it moved
            moved = [await transfers.of_tx(conn, slot.chain_id, tx_hash) for tx_hash in hashes]
        return Loss.SUSPECTED if any(moved) else loss

    async def _face_loss(self, conn: Connection, slot: Slot, loss: Loss) -> int:
        """A nonce that is gone ends its slot without a winner; one that may be gone is told.

        While the chain is halted nothing is certain, as what is final is in doubt itself.
        """
        slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
        if slot.state not in (SlotState.SIGNED, SlotState.BROADCAST):
            return 0
        cursor = await blocks.cursor(conn, slot.chain_id)
        if loss is Loss.CERTAIN and (cursor is None or cursor.halted_reason is not None):
            loss = Loss.SUSPECTED
        if loss is Loss.SUSPECTED:
            await mark(conn, self._work, slot, Stuck.NONCE_USED)
        elif loss is Loss.CERTAIN or slot.stuck is Stuck.NONCE_USED:
            await mark(conn, self._work, slot, None)
        if loss is not Loss.CERTAIN:
            return 0
        log.error("nonce was used by somebody else", wallet=slot.wallet.hex(), nonce=slot.nonce)
        for attempt in await attempts.of_slot(conn, slot):
            await attempts.advance(conn, attempt, AttemptEvent.SUPERSEDE)
        if slot.kind is not SlotKind.FILL:
            await self._work.lost(conn, slot)
        await slots.advance(conn, slot, SlotEvent.LOSE)
        return 1

    async def _proof(self, slot: Slot, seen: Sequence[Receipt]) -> list[Kept] | None:
        """What proves the outcome of a slot whose block is final, where that is kept; None before it is."""
        async with self._db.read() as conn:
            mined = _mined(await attempts.of_slot(conn, slot))
            block = None if mined is None else await _block_of(conn, mined)
            cursor = await blocks.cursor(conn, slot.chain_id)
        if mined is None or block is None or cursor is None or block.number > cursor.finalized_number:
            return None
        receipt = next((each for each in seen if each.tx_hash == mined.tx_hash), None)
        if receipt is None or not receipt.logs or not self._work.proves or slot.kind is SlotKind.FILL:
            return []
        return await self._evidence.of_logs({receipt.block_hash: [receipt.logs[0].index]})

    async def _finalize(
        self, slot: Slot, seen: Sequence[Receipt], kept: Sequence[Kept] | None, lease: Lease
    ) -> int:
        if kept is None:
            return 0
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await self._work.lock(conn)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            known = await attempts.of_slot(conn, slot)
            mined = _mined(known)
            if slot.state is not SlotState.MINED or mined is None:
                return 0
            block = await _block_of(conn, mined)
            cursor = await blocks.cursor(conn, slot.chain_id)
            if (
                block is None
                or cursor is None
                or cursor.halted_reason
                or block.number > cursor.finalized_number
            ):
                return 0
            receipt = next((r for r in seen if r.tx_hash == mined.tx_hash), None)
            if receipt is None or receipt.block_hash != block.hash:
                raise Retryable(f"the node does not show 0x{mined.tx_hash.hex()} in its final block yet")
            await self._evidence.keep(conn, kept)
            await _close(conn, known, mined)  # before its outcome is told, which shows them
            if slot.kind is not SlotKind.FILL:
                await self._work.settle(conn, slot, receipt, block)
            await slots.advance(conn, slot, SlotEvent.FINALIZE)
            await _book_gas(conn, mined)
            self._failpoints.hit("submitter.before_final_commit")
        self._failpoints.hit("submitter.after_final_commit")
        return 1


def _mined(known: Sequence[Attempt]) -> Attempt | None:
    return next((attempt for attempt in known if attempt.state is AttemptState.MINED), None)


async def _block_of(conn: Connection, mined: Attempt) -> BlockRef | None:
    """The block the attempt is in, while it is canonical."""
    assert mined.block_number is not None, "a mined attempt knows its block"
    block = await blocks.canonical_at(conn, mined.chain_id, mined.block_number)
    return block if block is not None and block.hash == mined.block_hash else None


async def _close(conn: Connection, known: Sequence[Attempt], winner: Attempt) -> None:
    """The nonce is consumed for ever: one attempt did it, the others never can."""
    await attempts.advance(conn, winner, AttemptEvent.FINALIZE)
    for loser in known:
        if loser.tx_hash != winner.tx_hash:
            await attempts.advance(conn, loser, AttemptEvent.SUPERSEDE)


async def _book_gas(conn: Connection, winner: Attempt) -> None:
    """Books the fee with its attempt; when the wallet's money is not booked yet, the next run does it."""
    if not winner.fee_paid:
        return
    try:
        async with conn.transaction():
            await ledger.post_gas(conn, winner.tx_hash)
    except Retryable as error:
        log.warning("gas not booked yet", tx_hash=winner.tx_hash.hex(), reason=str(error))
