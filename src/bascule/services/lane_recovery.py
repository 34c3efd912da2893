"""A lane after a restore: what the vault did is taken over from the chain, and then the lane ends.

Each step commits by itself and is found done by the next call. A lane that is kept would be unsafe: a signed
batch that these rows forgot may still wait in somebody's pool, and only `retireLane` makes it worthless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain import vault as vault_calls
from bascule.chain import vault_history
from bascule.chain.caller import Caller
from bascule.chain.hexes import quantity
from bascule.chain.receipts import Receipt
from bascule.chain.vault_history import Canceled, Executed
from bascule.domain import vault as layout
from bascule.domain.attempt import AttemptEvent
from bascule.domain.chain import Address, BlockRef, Hash, caip2, checksum, hex32
from bascule.domain.errors import Conflict, Halted, Retryable
from bascule.domain.payout import PAYOUT, PayoutEvent, PayoutState
from bascule.domain.slot import SlotEvent, SlotState
from bascule.domain.webhook import EventType
from bascule.services import lost_refunds
from bascule.services.breaks import Breaks
from bascule.services.calling_off import CallingOff
from bascule.services.evidence import Evidence
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.refused import failure_code
from bascule.services.submitted_batch import reference_of
from bascule.storage import (
    attempts,
    audit,
    blocks,
    cancels,
    lanes,
    ledger,
    networks,
    payout_rounds,
    payouts,
    recovered,
    slots,
    tokens,
)
from bascule.storage.blocks import moment
from bascule.storage.breaks import Found
from bascule.storage.database import Connection, Database
from bascule.storage.deposit_proofs import Kept
from bascule.storage.lanes import Lane
from bascule.storage.payouts import PayoutRow
from bascule.storage.recovered import Item

LOST_REQUEST = "payout_of_lost_request"


@dataclass(frozen=True)
class LaneRecovery:
    """Recovers lanes, under the owner's login."""

    db: Database
    outbox: Outbox

    async def every(self) -> list[Lane]:
        """The lanes that are not retired."""
        async with self.db.read() as conn:
            return await lanes.every_open(conn)

    async def vaults(self) -> set[tuple[int, Address]]:
        """Every vault that lanes of ours may have paid from, by chain; also where none is known any more."""
        async with self.db.read() as conn:
            served = {
                (each.chain_id, Address(each.vault)) for each in await networks.every(conn) if each.vault
            }
            return served | await lanes.vaults(conn)

    async def adopt(
        self, rpc: Caller, chain_id: int, vault: Address, number: int, name: str, wallet: Address
    ) -> None:  # fmt: skip
        """A lane that only the vault knows gets its row, without a batch: what it ran is taken over next.

        wallet: who ran it; the signer is told of none, as the lane ends. Raises: Halted when the vault
        knows no batch of it, or while its name or its wallet is another's.
        """
        _, head = await vault_calls.lane(rpc, vault, number)
        if head == layout.FIRST_HEAD:
            raise Halted(f"a node shows batches of lane {number}, and the vault has none of it")
        async with self.db.transaction() as conn:
            if await lanes.wallet_at(conn, chain_id, wallet) or await lanes.service_wallet(
                conn, chain_id, name
            ):
                raise Halted(
                    f"{checksum(wallet)} ran lane {number} of vault {checksum(vault)}, and it or {name} has"
                    f" another task on chain {chain_id} here: a person has to read what that lane paid, and"
                    " nothing is paid before"
                )
            # none of its nonces is known: other lanes of the vault wait until it is retired
            await lanes.add_wallet(conn, chain_id, wallet, name=name, next_nonce=0)
            await lanes.open(conn, chain_id, lane=number, name=name, vault=vault, wallet=wallet)
            lane = await lanes.lock(conn, chain_id, name)
            await _audit(conn, "restore.lane", lane, {"wallet": checksum(wallet), "vault": checksum(vault)})

    async def take_over(self, rpc: Caller, lane: Lane, start_block: int) -> int:
        """Takes over what the vault ran on the lane up to our final block; how many batches that were.

        start_block: no batch is older. Raises: Retryable when the watcher has not read far enough; Halted.
        """
        found = await self.unknown(rpc, lane, start_block)
        for batch in found:
            await self._take_over(lane, batch)
        return len(found)

    async def unknown(self, rpc: Caller, lane: Lane, start_block: int) -> list[Executed]:
        """The batches that `take_over` would take over; nothing is changed. Raises: as it does."""
        async with self.db.read() as conn:
            final = await _final(conn, lane)
            first = max(
                start_block,
                await attempts.final_up_to(conn, lane.chain_id, lane.wallet),
                await recovered.read_up_to(conn, lane.chain_id, lane.vault, lane.lane),
            )
        _, until = await vault_calls.lane(rpc, lane.vault, lane.lane, quantity(final.number))
        return await vault_history.executed(
            rpc, lane.vault, lane.lane, first=min(first, final.number), last=final.number,
            head=lane.head, until=until,
        )  # fmt: skip

    async def take_over_canceled(self, rpc: Caller, lane: Lane, start_block: int) -> int:
        """Ends the payouts whose ids the vault canceled by our final block; how many those were.

        Whoever called it: an id is used once, so nothing paid it and nothing can. start_block: no event is
        older. Raises: as `take_over`.
        """
        place = (lane.chain_id, lane.vault, lane.lane)
        async with self.db.read() as conn:
            final = await _final(conn, lane)
            mine = {p.vault_id: p for p in await payouts.unfinished_at(conn, *place)}
            oldest = min((payout.created_at for payout in mine.values()), default=None)
            known = None if oldest is None else await blocks.last_before(conn, lane.chain_id, oldest)
        ids = [vault_id for vault_id in mine if vault_id is not None]
        found = await vault_history.canceled(
            rpc, lane.vault, ids, first=max(start_block, known or 0), last=final.number
        )
        evidence = Evidence(self.db, rpc, lane.chain_id, self.outbox.clock)
        for each in found:
            kept = await evidence.of_logs({each.block.hash: [each.log.index]})
            await self._take_over_canceled(lane, mine[each.vault_id].id, each, kept, evidence)
        return len(found)

    async def _take_over_canceled(
        self, lane: Lane, payout_id: str, found: Canceled, kept: Sequence[Kept], evidence: Evidence
    ) -> None:
        receipt = Receipt(found.log.tx_hash, found.block.hash, found.block.number, True, 0, (found.log,))
        async with self.db.transaction() as conn:
            await lanes.lock(conn, lane.chain_id, lane.name)
            await _require_read(conn, lane, found.block.number, found.block.hash)
            payout = await payouts.lock(conn, payout_id)
            if payout is None or payout.state in PAYOUT.finals:
                return
            await evidence.keep(conn, kept)
            calling_off = CallingOff(self.outbox.clock, self.outbox, evidence.rpc.names)
            await calling_off.cancel(conn, payout, receipt)
            told = hex32(found.log.tx_hash)
            await _audit(conn, "restore.canceled", lane, {"transaction": told, "payout": payout_id})

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
            mine = await payouts.unfinished_at(conn, lane.chain_id, lane.vault, lane.lane)
            await _close_slots(conn, lane)
            for payout in mine:
                await self._cancel(conn, payout)
            await self._call_off_refunds(conn, lane)
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
            contracts = {token.id: Address(token.contract) for token in await tokens.every(conn)}
            settled, lost = {}, []
            for index, item in items.items():
                payout = known.get(item.tag)
                if payout is None or not _is_the_same(payout, contracts[payout.token_id], call.token, item):
                    if item.outcome == "paid":
                        lost.append(await self._lost(conn, lane, batch, item))
                        if payout is not None:  # asked for again with other words before this was read
                            await self._cancel(conn, payout)
                elif item.outcome != "skipped":
                    await self._settle(conn, payout, lane.vault, item, batch, index, block)
                    settled[payout.id] = item.outcome
            if lost:
                await self._call_off_refunds(conn, lane)
            await lanes.move_head(conn, lane, old=call.expected_head, new=batch.event.head)
            details = {"payouts": settled, "unknown": len(items) - len(settled), "breaks": lost}
            await _audit(conn, "restore.batch", lane, {"transaction": hex32(receipt.tx_hash), **details})

    async def _call_off_refunds(self, conn: Connection, lane: Lane) -> None:
        """Refunds in no batch yet, of payments of which more was given back than these rows know."""
        waiting = {
            payout.id: payout
            for payout in await payouts.unfinished_at(conn, lane.chain_id, lane.vault)
            if payout.state is not PayoutState.IN_TRANSIT
        }
        for payout_id in sorted(await lost_refunds.beside_lost(conn, list(waiting))):
            await self._cancel(conn, waiting[payout_id])

    async def _lost(self, conn: Connection, lane: Lane, batch: Executed, item: Item) -> str:
        """Opens a break: a payment that no row asks for, so nobody's account can be debited; its subject."""
        evidence = {
            "network": caip2(lane.chain_id),
            "transaction": hex32(batch.receipt.tx_hash),
            "vault_id": str(item.vault_id),
            "contract": checksum(batch.call.token),
            "to": checksum(item.destination),
            "amount_atomic": str(item.amount),
            "tag": "0x" + item.tag.hex(),
        }
        subject = f"{lane.chain_id}/{checksum(lane.vault)}/{item.vault_id}"
        found = Found(LOST_REQUEST, subject, evidence, lane.chain_id, amount=-item.amount)
        await Breaks(self.outbox).open(conn, found)
        return subject

    async def _settle(
        self, conn: Connection, payout: PayoutRow, vault: Address, item: Item, batch: Executed, index: int,
        block: BlockRef,
    ) -> None:  # fmt: skip
        """The payout goes the way it went before, as far as it has not gone it here."""
        if payout.vault != vault:  # it had moved, which the backup did not know
            payout = await payout_rounds.move(conn, payout, vault)
        if payout.state is PayoutState.REQUIRES_ACTION:
            before, payout = payout, await payouts.advance_to_pending(conn, payout)
            await _hold(conn, payout)
            await tell(conn, self.outbox, EventType.PAYOUT_APPROVED, payout, before=before)
        if payout.state is PayoutState.PENDING:
            before, [payout] = payout, await payouts.advance_to_in_transit(conn, [(item.vault_id, payout)])
            await tell(conn, self.outbox, EventType.PAYOUT_IN_TRANSIT, payout, before=before)
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
            await cancels.decide(conn, payout.id, "too_late", self.outbox.clock.now())
            await tell(conn, self.outbox, EventType.PAYOUT_PAID, done, before=payout)
        else:
            refusals = vault_calls.facts(payout.vault, batch.receipt.logs).refusals
            code = failure_code(refusals, item.vault_id, payout.destination, paid=bool(batch.paid))
            failed = await payouts.advance(conn, payout, PayoutEvent.REFUSE, failure_code=code)
            await ledger.post_release(conn, payout.id)
            await cancels.decide(conn, payout.id, "too_late", self.outbox.clock.now())
            await tell(conn, self.outbox, EventType.PAYOUT_FAILED, failed, before=payout)

    async def _cancel(self, conn: Connection, payout: PayoutRow) -> None:
        waits = payout.state is PayoutState.REQUIRES_ACTION
        ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL if waits else PayoutEvent.RETIRE)
        if not waits:
            await ledger.post_release(conn, payout.id)
        await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)


async def _hold(conn: Connection, payout: PayoutRow) -> None:
    """What it took is set aside. Raises: Conflict, where others of its account hold that by now."""
    try:
        await ledger.post_hold(conn, payout.id)
    except ledger.InsufficientFunds as lacking:
        raise Conflict(
            lacking.code,
            f"the vault ran payout {payout.id}, and its account {payout.account_id} has less available",
            next_step="let the account call off what it asked for since the restore, or pay in; then run this"
            " again",
        ) from None


def _is_the_same(payout: PayoutRow, contract: Address, paid_in: Address, item: Item) -> bool:
    """Whether the vault's item is what a payout of its identity asks for."""
    return (contract, payout.destination, payout.amount) == (paid_in, item.destination, item.amount)


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
