"""What a final batch did: each item paid, refused or skipped, as vault and token said; or all released.

Paid needs the vault's outcome and the token's Transfer, both in the final block. What does not add up halts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from bascule.chain import vault as vault_events
from bascule.chain.erc20 import Transfer, transfers
from bascule.chain.receipts import Receipt
from bascule.domain import vault as layout
from bascule.domain.chain import BlockRef
from bascule.domain.errors import Halted
from bascule.domain.payout import FailureCode, PayoutEvent, PayoutState
from bascule.domain.webhook import EventType
from bascule.services import submitted_batch
from bascule.services.calling_off import CallingOff
from bascule.services.never_paid import never_paid
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell, tell_all
from bascule.services.refused import failure_code
from bascule.services.seams import Clock
from bascule.services.submitted_batch import SubmittedBatch
from bascule.storage import cancels, lanes, ledger, payouts, slots
from bascule.storage.blocks import moment
from bascule.storage.database import Connection
from bascule.storage.lanes import Lane
from bascule.storage.payouts import PayoutRow
from bascule.storage.slots import Slot

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchOutcome:
    """Writes the outcome of final batches. nodes: who is asked about the chain."""

    clock: Clock
    outbox: Outbox
    nodes: Sequence[str]

    @property
    def _calling_off(self) -> CallingOff:
        return CallingOff(self.clock, self.outbox, self.nodes)

    async def settle(
        self, conn: Connection, lane: Lane, slot: Slot, receipt: Receipt, block: BlockRef
    ) -> None:
        """Decides every item of a final batch, in the caller's transaction. Raises: Halted, Retryable."""
        batch = await submitted_batch.load(conn, slot, lock=True)
        if not receipt.succeeded:
            await self._release_all(conn, batch)
            return
        facts = vault_events.facts(slot.batch.vault, receipt.logs)
        event = _event_of(batch, receipt, facts)
        paid = _pair(batch, event, receipt)
        await self._paid(conn, slot, batch, paid, block)
        for item, payout in batch.pairs():
            if event.refused >> item.position & 1:
                assert payout.vault_id is not None, "it stands at its id's bit"
                code = failure_code(facts.refusals, payout.vault_id, payout.destination, paid=bool(paid))
                await self._refused(conn, slot, item.position, payout, receipt, code)
            elif item.position not in paid:
                await self._skipped(conn, slot, item.position, payout)
        await lanes.move_head(conn, lane, old=slot.batch.expected_head, new=event.head)

    async def _paid(
        self,
        conn: Connection,
        slot: Slot,
        batch: SubmittedBatch,
        by_bit: Mapping[int, Transfer],
        block: BlockRef,
    ) -> None:
        """All of them at once: one statement each, however many they are."""
        found = [
            (payout, by_bit[item.position].log_index)
            for item, payout in batch.pairs()
            if item.position in by_bit
        ]
        if not found:
            return
        ids = [payout.id for payout, _ in found]
        done = await payouts.advance_to_paid(conn, found, paid_at=moment(block), block_hash=block.hash)
        await slots.decide_items(conn, slot, by_bit.keys(), "paid")
        await ledger.post_payouts(conn, ids)
        await self._calling_off.too_late(conn, *ids)
        await tell_all(conn, self.outbox, EventType.PAYOUT_PAID, done, before=PayoutState.IN_TRANSIT)

    async def _refused(
        self,
        conn: Connection,
        slot: Slot,
        position: int,
        payout: PayoutRow,
        receipt: Receipt,
        code: FailureCode,
    ) -> None:
        failed = await payouts.advance(conn, payout, PayoutEvent.REFUSE, failure_code=code)
        await slots.decide_items(conn, slot, [position], "refused")
        await ledger.post_release(conn, payout.id)
        await self._calling_off.too_late(conn, payout.id)
        await never_paid(conn, failed, "refused_by_token", receipt, self.nodes, self.clock.now())
        await tell(conn, self.outbox, EventType.PAYOUT_FAILED, failed, before=payout)

    async def _skipped(self, conn: Connection, slot: Slot, position: int, payout: PayoutRow) -> None:
        """Its bit was set before this batch: by a cancel, or a person finds out; its hold stays."""
        await slots.decide_items(conn, slot, [position], "skipped")
        if payout.state is PayoutState.CANCELED or await cancels.is_open(conn, payout.id):
            return  # it was called off, or the canceller's own finality says whether it was
        stuck = await payouts.mark_stuck(conn, payout.id, True)
        log.error("vault id was used before", payout=payout.id, vault_id=str(payout.vault_id))
        if stuck is not None:
            await tell(conn, self.outbox, EventType.PAYOUT_STUCK, stuck)

    async def _release_all(self, conn: Connection, batch: SubmittedBatch) -> None:
        """The call reverted as a whole and used no id: its payouts wait again, under the same ids."""
        log.warning("batch reverted", nonce=batch.slot.nonce, items=len(batch.items))
        await slots.decide_items(conn, batch.slot, [item.position for item in batch.items], "released")
        for _, payout in batch.pairs():
            await self._calling_off.release(conn, payout)


def _event_of(
    batch: SubmittedBatch, receipt: Receipt, facts: vault_events.Facts
) -> vault_events.BatchPaid:  # fmt: skip
    """The one BatchPaid of this very batch; its head commits to every byte of our call."""
    call, terms = batch.call(), batch.slot.batch
    events = facts.batches
    asked = sum(1 << item.position for item in batch.items)
    if len(events) == 1:
        event = events[0]
        same = (event.lane, event.token, event.word, event.head) == (
            terms.lane,
            terms.token,
            terms.word,
            call.next_head(),
        )
        if same and not event.attempted & ~asked and not event.refused & ~event.attempted:
            return event
    raise Halted(
        f"transaction 0x{receipt.tx_hash.hex()} succeeded, but the vault did not run our batch in it"
    )


def _pair(
    batch: SubmittedBatch, event: vault_events.BatchPaid, receipt: Receipt
) -> Mapping[int, Transfer]:  # fmt: skip
    """Each paid bit with its Transfer: the k-th paid item pairs with the k-th Transfer from the vault."""
    indexes = layout.paid_indexes(event.attempted, event.refused)
    moves = [
        t
        for t in transfers(receipt.logs)[0]
        if (t.token, t.src) == (batch.slot.batch.token, batch.slot.batch.vault)
    ]
    due = {item.position: (payout.destination, payout.amount) for item, payout in batch.pairs()}
    if [due[index] for index in indexes] != [(move.dst, move.amount) for move in moves]:
        raise Halted(
            f"transfers of 0x{receipt.tx_hash.hex()} are not those the vault speaks of (token not plain?)"
        )
    return dict(zip(indexes, moves, strict=True))
