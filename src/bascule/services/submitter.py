"""The submitter of one lane: reserves, asks the signer, sends, bumps, and believes only final chain facts.

One leader per lane (a lease with an epoch), as many nonces on their way as its work is wide. Bytes are
committed before they are sent; what a node answers moves no nonce and no payout.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bascule.chain.caller import Caller
from bascule.domain import anchor, authorization, call_off, flush, gas
from bascule.domain.chain import Address
from bascule.domain.errors import Retryable
from bascule.domain.fees import Ceiling
from bascule.domain.slot import SlotState
from bascule.services import lane_opening
from bascule.services.anchoring import Anchoring
from bascule.services.batch_choice import GAS_OF_BATCH, GAS_OF_ITEM
from bascule.services.cancelling import Cancelling
from bascule.services.confirmation import Confirmation
from bascule.services.evidence import Evidence
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.flushing import Flushing
from bascule.services.lane_opening import LaneClosed
from bascule.services.lane_work import LaneWork
from bascule.services.offering import Offering
from bascule.services.outbox import Outbox
from bascule.services.pace import Pace
from bascule.services.paying import Paying
from bascule.services.presenting import Presenting
from bascule.services.seams import Clock
from bascule.services.signer_alarms import SignerAlarms
from bascule.services.signing_intents import SignerPort
from bascule.services.topping_up import ToppingUp
from bascule.services.wallet_watch import WalletWatch
from bascule.storage import attempts, blocks, lanes, leases, ledger, slots
from bascule.storage.database import Database
from bascule.storage.leases import Lease
from bascule.storage.networks import Network

__all__ = ["SignerPort", "Submitter", "SubmitterSettings"]

log = structlog.get_logger()


CEILING = Ceiling(per_gas=500 * 10**9, cost=5 * 10**18)


@dataclass(frozen=True)
class SubmitterSettings:
    """ceiling: the most that is ever offered for gas; max_items: payouts per batch, at most 256;
    max_base_fee: while a block takes more wei per gas, no flush gets a nonce.
    """

    ceiling: Ceiling = CEILING
    max_items: int = 100
    max_base_fee: int = 50 * 10**9
    batch_life: timedelta = timedelta(minutes=30)
    resend_after: timedelta = timedelta(seconds=15)
    bump_after: timedelta = timedelta(seconds=60)
    lease_seconds: float = 15.0

    def full_cost(self, lane: str) -> int:
        """Wei that one full transaction of a lane may cost at the ceiling."""
        of_lane = {
            flush.LANE: flush.gas_limit(flush.ADDRESSES_MAX),
            call_off.LANE: call_off.gas_limit(call_off.IDS_MAX),
            gas.LANE: gas.TRANSFER_GAS,
            anchor.LANE: anchor.GAS,
            authorization.LANE: authorization.GAS,
        }
        most = of_lane.get(lane, GAS_OF_BATCH + GAS_OF_ITEM * self.max_items)
        return self.ceiling.of(most) * most


class Submitter:
    """Works one lane. holder: unlike any other running submitter's; counters: as of `Flushing`; pace: one for
    all lanes of a process.
    """

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
        counters: Counter[tuple[int, str]] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.name = f"submitter:{network.chain_id}/{lane}"
        self._db = db
        self._rpc = rpc
        self._signer = signer
        self._lane = lane
        self._lease: Lease | None = None  # as it was claimed last
        self._opened: int | None = None  # the lease's epoch under which the lane was found open
        self._chain_id = network.chain_id
        self._clock = clock
        self._holder = holder
        self._settings = settings or SubmitterSettings()
        self._failpoints = failpoints
        self._pace = pace or Pace()
        self.counters = Counter() if counters is None else counters
        alarms = SignerAlarms(network, outbox)
        self._work = self._work_of(lane, signer, alarms)
        self._offering = Offering(
            db,
            rpc,
            signer,
            self._work,
            clock=clock,
            ceiling=self._settings.ceiling,
            resend_after=self._settings.resend_after,
            bump_after=self._settings.bump_after,
            alarms=alarms,
            failpoints=failpoints,
        )
        self._wallet_watch = WalletWatch(db, rpc, clock, self._settings.full_cost(lane), failpoints)
        evidence = Evidence(db, rpc, network.chain_id, clock)
        self._confirmation = Confirmation(db, rpc, self._work, evidence, clock=clock, failpoints=failpoints)

    def _work_of(self, lane: str, signer: SignerPort, alarms: SignerAlarms) -> LaneWork:
        """The lane's name says what it carries."""
        if lane == flush.LANE:
            return Flushing(
                self._db, self._rpc, self._chain_id, clock=self._clock,
                ceiling=self._settings.ceiling, max_base_fee=self._settings.max_base_fee,
                failpoints=self._failpoints, counters=self.counters,
            )  # fmt: skip
        if lane in (call_off.LANE, authorization.LANE):
            told = Cancelling if lane == call_off.LANE else Presenting
            return told(
                self._db, self._rpc, self._chain_id, clock=self._clock, outbox=alarms.outbox,
                ceiling=self._settings.ceiling, failpoints=self._failpoints,
            )  # fmt: skip
        if lane in (gas.LANE, anchor.LANE):
            work = ToppingUp if lane == gas.LANE else Anchoring
            return work(
                self._db, self._rpc, self._chain_id, clock=self._clock,
                ceiling=self._settings.ceiling, failpoints=self._failpoints,
            )  # fmt: skip
        return Paying(
            self._db, self._rpc, signer, self._chain_id, lane, clock=self._clock, alarms=alarms,
            ceiling=self._settings.ceiling, max_items=self._settings.max_items,
            batch_life=self._settings.batch_life, failpoints=self._failpoints, pace=self._pace,
        )  # fmt: skip

    async def run_once(self) -> int:
        """How many things were done; 0 when there is nothing to do or another submitter leads this lane.

        Raises: Halted while the chain is halted, or when chain and rows contradict each other; Retryable.
        """
        lease = await self._led()
        if lease is None:
            return 0
        async with self._db.read() as conn:
            cursor = await blocks.cursor(conn, self._chain_id)
        wallet = await self._work.wallet()
        if cursor is None or wallet is None:
            return 0  # nothing of this chain was read yet, or nobody is to work this lane
        if cursor.halted_reason is not None:
            await self._follow(wallet, lease)
        blocks.require_running(cursor)
        await self._require_open(wallet, lease)
        await self._wallet_watch.look(wallet, self._chain_id, lease)
        done = await self._work.prepare(lease)
        done += await self._work_slots(wallet, lease)
        for _ in range(self._work.width):
            if not await self._work.reserve(lease):
                break
            done += 1 + await self._work_slots(wallet, lease, reserved=True)
        return done + await self._book_gas(wallet, lease)

    async def release(self) -> None:
        """Gives the lease back, so that the next submitter need not wait."""
        async with self._db.transaction() as conn:
            lease = await leases.claim(conn, self.name, self._holder, self._settings.lease_seconds)
            if lease is not None:
                await leases.release(conn, lease)

    async def _led(self) -> Lease | None:
        """The lane's lease, renewed when more than a third of it is over: each renewal waits for the disk."""
        known = self._lease  # another turn beside this one may find meanwhile that it is lost
        if known is not None:
            async with self._db.read() as conn:
                if await leases.lasts(conn, known, self._settings.lease_seconds * 2 / 3):
                    return known
        self._lease = await self._claim()
        return self._lease

    async def _claim(self, closed: tuple[Address, str | None] | None = None) -> Lease | None:
        """The lane's lease. closed: what its wallet's lane is said to be closed for, with the lease."""
        async with self._db.transaction() as conn:
            lease = await leases.claim(conn, self.name, self._holder, self._settings.lease_seconds)
            if closed is not None and lease is not None:
                wallet, why = closed
                await lanes.say_closed(conn, self._chain_id, wallet, why)
            self._failpoints.hit("submitter.before_lease")
        self._failpoints.hit("submitter.after_lease")
        return lease

    async def _require_open(self, wallet: Address, lease: Lease) -> None:
        """Once under each epoch of the lease, and again while closed. Raises: LaneClosed, Retryable."""
        if self._opened == lease.epoch:
            return
        why = await lane_opening.look(
            self._db, self._rpc, self._signer, self._chain_id, self._lane, wallet, lease, self._pace.looking
        )
        async with self._db.read() as conn:
            said = await lanes.closed_reason(conn, self._chain_id, wallet)
        if said != why:
            await self._claim((wallet, why))
        if why is not None:
            await self._follow(wallet, lease)
            raise LaneClosed(f"{self._chain_id}/{self._lane}", why)
        self._opened = lease.epoch

    async def _follow(self, wallet: Address, lease: Lease) -> None:
        """Looks what became of bytes that are out; sends nothing, not even those again."""
        async with self._db.read() as conn:
            unfinished = await slots.unfinished(conn, self._chain_id, wallet)
        for slot in unfinished:
            await self._confirmation.observe(slot, lease)

    async def _work_slots(self, wallet: Address, lease: Lease, *, reserved: bool = False) -> int:
        """Lowest nonce first; a later one is only looked at once every earlier one is in a block, or sent.

        Only the lowest that is in no block gets dearer bytes. reserved: what was looked at before this turn's
        reservation is not looked at again.
        """
        async with self._db.read() as conn:
            restless = await slots.restless(conn, self._chain_id, wallet)
        done, lowest = 0, True
        for slot in restless:
            now = slot
            if slot.state is SlotState.RESERVED or not reserved:
                done += await self._confirmation.observe(slot, lease)
                done += await self._offering.offer(slot, lease, bumps=lowest)
                async with self._db.read() as conn:
                    now = await slots.get(conn, slot)
            if now.state in (SlotState.MINED, SlotState.FINAL):
                continue
            if self._work.width == 1 or now.state is not SlotState.BROADCAST or now.stuck is not None:
                break
            lowest = False
        return done

    async def _book_gas(self, wallet: Address, lease: Lease) -> int:
        """Fees that could not be booked with their attempt, as the wallet's own money was not booked yet."""
        async with self._db.read() as conn:
            missing = await attempts.gas_to_book(conn, self._chain_id, wallet)
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
