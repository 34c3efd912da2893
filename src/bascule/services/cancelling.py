"""The canceller's work: calls of the vault that use up the ids of payouts somebody called off on their way.

Which of the two came first, the batch or this call, is the chain's order to say, at finality.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from bascule.chain import fee_oracle
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.chain.receipts import Receipt
from bascule.domain import call_off as rules
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import Halted
from bascule.domain.fees import Ceiling
from bascule.domain.payout import PayoutState
from bascule.domain.webhook import EventType
from bascule.services.calling_off import CallingOff
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.seams import Clock
from bascule.services.signing_intents import CancelIntent, FeeOffer, Intent, SignerRefused
from bascule.storage import blocks, cancels, lanes, leases, payouts, slots
from bascule.storage.attempts import Attempt
from bascule.storage.cancels import Wanted
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()


class Cancelling:
    """Takes requests of one chain."""

    proves = True
    width = 1

    def __init__(
        self, db: Database, rpc: Caller, chain_id: int, *, clock: Clock, outbox: Outbox, ceiling: Ceiling,
        failpoints: Failpoints,
    ) -> None:  # fmt: skip
        self._db = db
        self._rpc = rpc
        self._chain_id = chain_id
        self._outbox = outbox
        self._ceiling = ceiling
        self._failpoints = failpoints
        self._calling_off = CallingOff(clock, outbox, rpc.names)

    async def wallet(self) -> Address | None:
        """The canceller's wallet; None on a chain that has none."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        return None if wallet is None else wallet.address

    async def prepare(self, lease: Lease) -> int:
        """Nothing: a request ends with the payout's batch, or with a call."""
        return 0

    async def reserve(self, lease: Lease) -> bool:
        """Gives the next nonce to what waits, of one vault, unless the vault would refuse the call."""
        async with self._db.read() as conn:
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
            wanted = await self._turn(conn)
        if wallet is None or not wanted:
            return False
        ids, vault = [each.vault_id for each in wanted], wanted[0].vault
        gas, calldata = rules.gas_limit(len(ids)), vault_calls.cancel_calldata(ids)
        refusal = await vault_calls.refusal(
            self._rpc, sender=wallet.address, vault=vault, calldata=calldata, gas=gas
        )
        if refusal is not None:
            raise Halted(f"vault 0x{vault.hex()} takes no cancel from this canceller: {refusal}")
        cost = await fee_oracle.data_cost(self._rpc, vault, lambda: calldata)
        fees = await fee_oracle.offer(self._rpc, gas=gas, ceiling=self._ceiling, data_cost=cost)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)
            if wallet is None or await self._turn(conn) != wanted:
                return False
            nonce = await lanes.take_nonce(conn, wallet)
            await slots.insert_service(
                conn, self._chain_id, wallet.address, nonce=nonce, epoch=lease.epoch, fees=fees
            )
            for each in wanted:
                await cancels.take(conn, each.payout_id, wallet.address, nonce)
            self._failpoints.hit("canceller.before_reserve")
        self._failpoints.hit("canceller.after_reserve")
        return True

    def reserved(self, slot: Slot, epoch: int) -> None:
        """Nothing: what is asked stands in rows."""

    async def lock(self, conn: Connection) -> None:
        """The wallet, until the transaction ends."""
        await lanes.service_wallet(conn, self._chain_id, rules.LANE, lock=True)

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """The ids the slot took; they never change."""
        wanted = await cancels.of_slot(conn, slot)
        return CancelIntent(
            chain_id=slot.chain_id,
            wallet=slot.wallet,
            nonce=slot.nonce,
            epoch=epoch,
            fees=FeeOffer.of(slot.fees),
            vault=wanted[0].vault,
            ids=tuple(each.vault_id for each in wanted),
        )

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """The signer names no id: it signs the call or does not."""
        raise Halted(f"the signer refuses to call off {[item.name for item in refusal.items]}")

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """Nothing: the payouts stand in their batches; the slot itself says why it waits."""

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """Nothing: the payouts stand in their batches, and are told of those."""

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """What it was to call off waits for another call."""
        await let_go(conn, slot, self._calling_off.clock.now())

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """Each id that the vault says this call used up is canceled; the others were used before."""
        wanted = await cancels.of_slot(conn, slot)
        if not receipt.succeeded:
            log.error("cancel reverted", nonce=slot.nonce, payouts=len(wanted))
        for each in sorted(wanted, key=lambda each: each.payout_id):
            if not receipt.succeeded:
                await cancels.put_back(conn, each.payout_id)
            elif each.vault_id in vault_calls.facts(each.vault, receipt.logs).canceled:
                await self._canceled(conn, each, receipt)
            else:
                await self._used_before(conn, each)

    async def _canceled(self, conn: Connection, each: Wanted, receipt: Receipt) -> None:
        payout = await payouts.lock(conn, each.payout_id)
        assert payout is not None, "a request is of a payout"
        if payout.state in (PayoutState.PAID, PayoutState.FAILED):
            raise Halted(f"the vault canceled the id of {payout.id}, which is {payout.state}")
        if payout.state is PayoutState.CANCELED:
            await self._calling_off.prove(conn, payout, receipt)
        else:
            await self._calling_off.cancel(conn, payout, receipt)

    async def _used_before(self, conn: Connection, each: Wanted) -> None:
        """By its batch, whose finality says how; if that is over and did not use it, a person looks."""
        await self._calling_off.too_late(conn, each.payout_id)
        payout = await payouts.lock(conn, each.payout_id)
        assert payout is not None, "a request is of a payout"
        skipped = await cancels.left_over(conn, payout.id)
        if payout.state is PayoutState.IN_TRANSIT and skipped:
            stuck = await payouts.mark_stuck(conn, payout.id, True)
            if stuck is not None:
                await tell(conn, self._outbox, EventType.PAYOUT_STUCK, stuck)

    async def _turn(self, conn: Connection) -> list[Wanted]:
        """What may get the next nonce; nothing while a slot is unfinished."""
        wallet = await lanes.service_wallet(conn, self._chain_id, rules.LANE)
        if wallet is None or await slots.unfinished(conn, self._chain_id, wallet.address):
            return []
        return await cancels.waiting(conn, self._chain_id, rules.IDS_MAX)


async def let_go(conn: Connection, slot: Slot, now: datetime) -> None:
    """What it was to call off waits for another call."""
    for each in await cancels.of_slot(conn, slot):
        await cancels.put_back(conn, each.payout_id)
