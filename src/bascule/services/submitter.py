"""The submitter of one lane: reserves, asks the signer, sends, bumps, and believes only final chain facts.

One leader per lane (a lease with an epoch), at most one unfinished slot at a time. Bytes are committed before
they are sent; what a node answers moves no nonce and no payout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.chain import fee_oracle
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Halted, Retryable
from bascule.domain.slot import SlotState
from bascule.services.confirmation import Confirmation
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.offering import Offering
from bascule.services.outbox import Outbox
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.reservation import Reservation
from bascule.services.seams import Clock
from bascule.services.signing_intents import SignerPort
from bascule.storage import attempts, blocks, lanes, leases, ledger, payouts, slots
from bascule.storage.database import Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease
from bascule.storage.networks import Network

__all__ = ["SignerPort", "Submitter", "SubmitterSettings"]

log = structlog.get_logger()


@dataclass(frozen=True)
class SubmitterSettings:
    """fee_ceiling: the most wei per gas that is ever offered; max_items: payouts per batch, at most 256."""

    fee_ceiling: int = 500 * 10**9
    max_items: int = 100
    batch_life: timedelta = timedelta(minutes=30)
    resend_after: timedelta = timedelta(seconds=15)
    bump_after: timedelta = timedelta(seconds=60)
    lease_seconds: float = 15.0


class Submitter:
    """Works one lane. holder: unlike any other running submitter's."""

    def __init__(
        self,
        db: Database,
        rpc: Rpc,
        signer: SignerPort,
        network: Network,
        lane: str,
        *,
        clock: Clock,
        outbox: Outbox,
        holder: str,
        settings: SubmitterSettings | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.name = f"submitter:{network.chain_id}/{lane}"
        self._db = db
        self._rpc = rpc
        self._chain_id = network.chain_id
        self._lane = lane
        self._clock = clock
        self._holder = holder
        self._settings = settings or SubmitterSettings()
        self._failpoints = failpoints
        self._rounds = PayoutRounds(clock, outbox)
        self._reservation = Reservation(clock, outbox, self._settings.max_items, self._settings.batch_life)
        self._offering = Offering(
            db,
            rpc,
            signer,
            clock=clock,
            outbox=outbox,
            rounds=self._rounds,
            fee_ceiling=self._settings.fee_ceiling,
            resend_after=self._settings.resend_after,
            bump_after=self._settings.bump_after,
            failpoints=failpoints,
        )
        self._confirmation = Confirmation(db, rpc, lane, clock=clock, outbox=outbox, failpoints=failpoints)

    async def run_once(self) -> int:
        """How many things were done; 0 when there is nothing to do or another submitter leads this lane.

        Raises: Halted while the chain is halted, or when chain and rows contradict each other; Retryable.
        """
        async with self._db.transaction() as conn:
            lease = await leases.claim(conn, self.name, self._holder, self._settings.lease_seconds)
        if lease is None:
            return 0
        async with self._db.read() as conn:
            cursor = await blocks.cursor(conn, self._chain_id)
            lane = await lanes.get(conn, self._chain_id, self._lane)
        if cursor is None:
            return 0  # nothing of this chain was read yet
        if cursor.halted_reason is not None:
            raise Halted(f"chain {self._chain_id} is halted, nothing is paid on it: {cursor.halted_reason}")
        done = await self._settle_rounds(lane, lease)
        done += await self._work_slots(lane, lease)
        if await self._reserve(lane, lease):
            done += 1 + await self._work_slots(lane, lease)
        return done + await self._book_gas(lane, lease)

    async def release(self) -> None:
        """Gives the lease back, so that the next submitter need not wait."""
        async with self._db.transaction() as conn:
            lease = await leases.claim(conn, self.name, self._holder, self._settings.lease_seconds)
            if lease is not None:
                await leases.release(conn, lease)

    async def _settle_rounds(self, lane: Lane, lease: Lease) -> int:
        async with self._db.read() as conn:
            due = await payouts.rounds_over(conn, lane.chain_id, lane.vault, self._clock.now())
        done = 0
        for payout_id in due:
            async with self._db.transaction() as conn:
                await leases.hold(conn, lease)
                done += await self._rounds.settle(conn, payout_id)
        return done

    async def _work_slots(self, lane: Lane, lease: Lease) -> int:
        """Lowest nonce first; a later one is only looked at once every earlier one is in a block."""
        async with self._db.read() as conn:
            unfinished = await slots.unfinished(conn, lane.chain_id, lane.wallet)
        done = 0
        for slot in unfinished:
            done += await self._confirmation.observe(slot, lease)
            done += await self._offering.offer(slot, lease)
            async with self._db.read() as conn:
                state = (await slots.get(conn, slot)).state
            if state not in (SlotState.MINED, SlotState.FINAL):
                break
        return done

    async def _reserve(self, lane: Lane, lease: Lease) -> bool:
        async with self._db.read() as conn:
            waiting = await payouts.oldest_waiting(conn, lane.chain_id, lane.vault, lane.lane)
            busy = await slots.unfinished(conn, lane.chain_id, lane.wallet)
        if waiting is None or busy:
            return False
        fees = await fee_oracle.offer(self._rpc, gas=21_000, ceiling=self._settings.fee_ceiling)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            reserved = await self._reservation.reserve(conn, lane, lease.epoch, fees)
        if reserved:
            self._failpoints.hit("submitter.after_reserve")
        return reserved

    async def _book_gas(self, lane: Lane, lease: Lease) -> int:
        """Fees that could not be booked with their attempt, as the wallet's own money was not booked yet."""
        async with self._db.read() as conn:
            missing = await attempts.gas_to_book(conn, lane.chain_id, lane.wallet)
        done = 0
        for tx_hash in missing:
            try:
                async with self._db.transaction() as conn:
                    await leases.hold(conn, lease)
                    await ledger.post_gas(conn, tx_hash)
                done += 1
            except Retryable as error:
                log.warning("gas not booked yet", tx_hash=tx_hash.hex(), reason=str(error))
        return done
