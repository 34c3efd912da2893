"""The submitter of one lane: reserves, asks the signer, sends, bumps, and believes only final chain facts.

One leader per lane (a lease with an epoch), at most one unfinished slot at a time. Bytes are committed before
they are sent; what a node answers moves no nonce and no payout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.chain import fee_oracle
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.errors import Retryable
from bascule.domain.slot import SlotState
from bascule.services.confirmation import Confirmation
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.offering import Offering
from bascule.services.outbox import Outbox
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.reservation import Choice, Reservation
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
        rpc: Caller,
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
            self._failpoints.hit("submitter.before_lease")
        self._failpoints.hit("submitter.after_lease")
        if lease is None:
            return 0
        async with self._db.read() as conn:
            cursor = await blocks.cursor(conn, self._chain_id)
            lane = await lanes.get(conn, self._chain_id, self._lane)
        if cursor is None:
            return 0  # nothing of this chain was read yet
        if cursor.halted_reason is not None:
            await self._follow(lane, lease)
        blocks.require_running(cursor)
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

    async def _follow(self, lane: Lane, lease: Lease) -> None:
        """Looks what became of bytes that are out; sends nothing, not even those again."""
        async with self._db.read() as conn:
            unfinished = await slots.unfinished(conn, lane.chain_id, lane.wallet)
        for slot in unfinished:
            await self._confirmation.observe(slot, lease)

    async def _settle_rounds(self, lane: Lane, lease: Lease) -> int:
        async with self._db.read() as conn:
            due = await payouts.rounds_over(conn, lane.chain_id, lane.vault, self._clock.now())
        done = 0
        for payout_id in due:
            async with self._db.transaction() as conn:
                await leases.hold(conn, lease)
                done += await self._rounds.settle(conn, payout_id)
                self._failpoints.hit("submitter.before_round")
            self._failpoints.hit("submitter.after_round")
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
        blocked: list[str] = []
        while (found := await self._next_choice(lane, blocked)) is not None:
            lane, choice = found
            refusal = await self._simulate(lane, choice) if choice.given else None
            if refusal is None:
                break
            async with self._db.transaction() as conn:
                await leases.hold(conn, lease)
                await self._reservation.wait(conn, lane, choice.token, f"vault_refuses:{refusal}")
                self._failpoints.hit("submitter.before_wait")
            self._failpoints.hit("submitter.after_wait")
            blocked.append(choice.token.id)
        else:
            return False
        fees = await fee_oracle.offer(self._rpc, gas=choice.gas, ceiling=self._settings.fee_ceiling)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            reserved = await self._reservation.reserve(conn, lane, lease.epoch, fees, blocked)
            if reserved:
                self._failpoints.hit("submitter.before_reserve")
        if reserved:
            self._failpoints.hit("submitter.after_reserve")
        return reserved

    async def _next_choice(self, lane: Lane, without: Sequence[str]) -> tuple[Lane, Choice] | None:
        """The lane as it stands now and the batch whose turn it is; None while a slot is unfinished."""
        async with self._db.read() as conn:
            lane = await lanes.get(conn, lane.chain_id, lane.name)
            if lane.state != "open" or await slots.unfinished(conn, lane.chain_id, lane.wallet):
                return None
            choice = await self._reservation.choose(conn, lane, without)
        return None if choice is None else (lane, choice)

    async def _simulate(self, lane: Lane, choice: Choice) -> str | None:
        """Why the vault would revert the batch as a whole now; None when it would not.

        Asked before reservation only: afterwards nothing but the chain decides.
        """
        return await vault_calls.refusal(
            self._rpc, sender=lane.wallet, vault=lane.vault, calldata=choice.calldata(lane), gas=choice.gas
        )

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
                    self._failpoints.hit("submitter.before_gas")
                self._failpoints.hit("submitter.after_gas")
                done += 1
            except Retryable as error:
                log.warning("gas not booked yet", tx_hash=tx_hash.hex(), reason=str(error))
        return done
