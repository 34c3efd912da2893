"""Offering a slot to the chain: ask the signer, keep the bytes, send them until they are in a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bascule.chain import broadcast, fee_oracle
from bascule.chain.broadcast import Offer
from bascule.chain.caller import Caller
from bascule.chain.fee_oracle import DataCost
from bascule.chain.node_words import Bytes
from bascule.domain.attempt import AttemptEvent, AttemptState
from bascule.domain.chain import Hash
from bascule.domain.errors import Halted, Retryable
from bascule.domain.fees import Ceiling, Fees
from bascule.domain.slot import SlotEvent, SlotKind, SlotState
from bascule.domain.slot_stuck import Stuck
from bascule.services.failpoints import Failpoints
from bascule.services.lane_work import LaneWork
from bascule.services.seams import Clock
from bascule.services.signer_alarms import SignerAlarms, alarms
from bascule.services.signing_intents import (
    FILL_GAS,
    FeeOffer,
    FillIntent,
    Intent,
    Signed,
    SignerPort,
    SignerRefused,
)
from bascule.services.stuck import mark
from bascule.storage import attempts, blocks, leases, offers, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()

# The kill switch: bytes that are due for dearer ones are not sent again while it is on.
FROZEN = frozenset({"wallet_frozen", "frozen"})
# Refusals that time or an operator's hand heals; by any other, rows and signer contradict each other. Where a
# whole question goes to is ours: that it was denied is for a person to look at.
_WAITS = frozenset(
    {
        "epoch_stale",
        *FROZEN,
        "fee_above_cap",
        "gas_above_cap",
        "token_not_allowed",
        "vault_unknown",
        "seed_missing",
        "too_many_addresses",
        "route_unknown",
        "item_limit_exceeded",
        "day_limit_exceeded",
    }
)


class Offering:
    """Brings one slot from reserved to broadcast and keeps it there."""

    def __init__(
        self,
        db: Database,
        rpc: Caller,
        signer: SignerPort,
        work: LaneWork,
        *,
        clock: Clock,
        ceiling: Ceiling,
        resend_after: timedelta,
        bump_after: timedelta,
        alarms: SignerAlarms,
        failpoints: Failpoints,
    ) -> None:
        self._db = db
        self._rpc = rpc
        self._signer = signer
        self._work = work
        self._clock = clock
        self._ceiling = ceiling
        self._resend_after = resend_after
        self._bump_after = bump_after
        self._alarms = alarms
        self._failpoints = failpoints
        self._sent: dict[Hash, datetime] = {}  # when this process sent bytes last

    async def offer(self, slot: Slot, lease: Lease, *, bumps: bool = True) -> int:
        """Does what the slot needs to be mined; how many things that were. 0 once it is in a block.

        bumps: it may get dearer bytes, as no lower nonce holds it up. Raises: ChainHalted, and nothing is
        signed or sent.
        """
        asked = self._work.reserved(slot, lease.epoch)
        if asked is not None:  # lease and chain were looked at in the transaction that reserved it
            return await self._sign(slot, asked, [], lease)
        market = await self._market_if_late(slot) if bumps else None
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, slot.chain_id))
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            if slot.state in (SlotState.MINED, SlotState.FINAL):
                return 0
            asked_before = slot.fees
            slot, why = await self._bump_if_late(conn, slot, market)
            known = [] if slot.state is SlotState.RESERVED else await attempts.of_slot(conn, slot)
            if not any(attempt.fees == slot.fees for attempt in known):
                asked = await self._question(conn, slot, lease.epoch)
            bumped = slot.fees != asked_before
            if bumped:
                self._failpoints.hit("submitter.before_bump")
        if bumped:
            self._failpoints.hit("submitter.after_bump")
        if asked is None:
            return await self._send(slot, known[0], lease, why)
        return await self._sign(slot, asked, known, lease)

    async def _sign(self, slot: Slot, asked: Intent, known: Sequence[Attempt], lease: Lease) -> int:
        """Asks the signer, commits its bytes and sends them. known: bytes the slot has already."""
        self._failpoints.hit("submitter.before_sign")
        try:
            signed = await self._signer.sign(asked)
        except (SignerRefused, Retryable) as error:
            refused = isinstance(error, SignerRefused)
            frozen = isinstance(error, SignerRefused) and error.code in FROZEN
            if (
                known and not frozen
            ):  # no dearer bytes: those there are must still reach nodes that forget them
                await self._send(slot, known[0], lease, Stuck.SIGNER_REFUSES if refused else None)
            if not isinstance(error, SignerRefused):
                raise
            return await self._refused(slot, error, lease)
        self._failpoints.hit("submitter.after_sign")
        attempt = await self._save(slot, signed, lease)
        return 1 + await self._send(slot, attempt, lease)

    async def _question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """What the signer is asked for this slot, with the fees the slot asks for now."""
        if slot.kind is SlotKind.FILL:
            return FillIntent(slot.chain_id, slot.wallet, slot.nonce, epoch, FeeOffer.of(slot.fees))
        return await self._work.question(conn, slot, epoch)

    async def _market_if_late(self, slot: Slot) -> tuple[Fees, int] | None:
        """What the chain asks for now and the ceiling per gas, when bytes are due for a bump; else None.

        Where nobody tells what it asks for, the least bump is all there is: no fees at all are the market.
        """
        if slot.state is SlotState.RESERVED:
            return None  # there are no bytes yet
        async with self._db.read() as conn:
            due = await self._late(conn, await slots.get(conn, slot))
        if due is None:
            return None
        try:
            cost = DataCost(fee=await fee_oracle.data_fee(self._rpc, due.raw))
            market = await fee_oracle.offer(
                self._rpc, gas=slot.fees.gas, ceiling=self._ceiling, data_cost=cost
            )
            return market, self._ceiling.of(slot.fees.gas, cost.fee)
        except Retryable as error:
            log.warning("no price of gas", nonce=slot.nonce, reason=str(error))
            return Fees(0, 0, slot.fees.gas), self._ceiling.of(slot.fees.gas)

    async def _late(self, conn: Connection, slot: Slot) -> Attempt | None:
        """The slot's dearest bytes when they were not mined for too long, or no node takes so little."""
        known = await attempts.of_slot(conn, slot)
        if slot.state in (SlotState.MINED, SlotState.FINAL) or not known or known[0].fees != slot.fees:
            return None
        offered_at = known[0].offered_at
        if offered_at is None:
            return None
        said = await offers.of_attempt(conn, known[0].tx_hash)
        too_cheap = bool(said) and all(each.bytes == Bytes.TOO_CHEAP for each in said)
        late = self._clock.now() - offered_at >= self._bump_after
        return known[0] if late or too_cheap else None

    async def _bump_if_late(
        self, conn: Connection, slot: Slot, market: tuple[Fees, int] | None
    ) -> tuple[Slot, Stuck | None]:
        """The slot with higher fees to ask for, when it is due for them; or why it gets none."""
        if market is None or await self._late(conn, slot) is None:
            return slot, None
        asked, ceiling = market
        fees = slot.fees.bumped(ceiling, asked)
        if fees is None:
            return slot, Stuck.FEE_CEILING
        await slots.ask_fees(conn, slot, fees)
        return await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce), None

    async def _quote_anew(self, slot: Slot, lease: Lease) -> None:
        """Fees of now for a slot of which no bytes were ever kept: those of its reservation are too dear.

        They left room for a rollup's charge for data, so nothing above them is offered.
        """
        ceiling = replace(self._ceiling, per_gas=slot.fees.max_fee_per_gas)
        fees = await fee_oracle.offer(self._rpc, gas=slot.fees.gas, ceiling=ceiling)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await slots.quote_anew(conn, slot, fees)
            self._failpoints.hit("submitter.before_quote")
        self._failpoints.hit("submitter.after_quote")

    async def _save(self, slot: Slot, signed: Signed, lease: Lease) -> Attempt:
        """Commits the bytes; only then may they be sent."""
        tx_hash = signed.checked_hash()
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            if slot.state is SlotState.FINAL:  # what it carried goes elsewhere
                raise Retryable(
                    f"nonce {slot.nonce} ended while the signer was asked: its bytes are not sent"
                )
            first = slot.state is SlotState.RESERVED
            known = [] if first else await attempts.of_slot(conn, slot)
            attempt = await attempts.insert(
                conn, slot, tx_hash=tx_hash, raw=signed.raw, fees=slot.fees, created_at=self._clock.now()
            )
            if first:
                await slots.advance(conn, slot, SlotEvent.SIGN)
            elif slot.kind is not SlotKind.FILL and tx_hash not in {each.tx_hash for each in known}:
                await self._work.tried(conn, slot, tx_hash, None)
            self._failpoints.hit("submitter.before_save")
        self._failpoints.hit("submitter.after_save")
        return attempt

    async def _send(self, slot: Slot, attempt: Attempt, lease: Lease, why: Stuck | None = None) -> int:
        """Offers the bytes to every node unless that was done a moment ago; the answers decide nothing.

        why: what keeps the slot from better bytes; without it, what the nodes agree on.
        """
        now = self._clock.now()
        sent = self._sent.get(attempt.tx_hash)
        fresh = sent is not None and attempt.offered_at is not None and sent >= attempt.offered_at
        if fresh and sent is not None and now - sent < self._resend_after:
            return 0
        self._failpoints.hit("submitter.before_send")
        said = await broadcast.offer(self._rpc, attempt.raw, attempt.tx_hash)
        self._sent[attempt.tx_hash] = now
        self._failpoints.hit("submitter.after_send")
        _report(attempt, said)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            attempt = await attempts.lock(conn, attempt.tx_hash)
            if attempt.state is AttemptState.SIGNED:
                await attempts.advance_to_offered(conn, attempt, AttemptEvent.OFFER, now)
            if slot.state is SlotState.SIGNED:
                await slots.advance(conn, slot, SlotEvent.OFFER)
            await self._keep(conn, attempt, said, now)
            if slot.stuck is not Stuck.NONCE_USED:  # which the chain alone says, and takes back
                await mark(conn, self._work, slot, why or _agreed(said))
            self._failpoints.hit("submitter.before_offered")
        self._failpoints.hit("submitter.after_offered")
        return 1

    async def _keep(self, conn: Connection, attempt: Attempt, said: Sequence[Offer], now: datetime) -> None:
        for each in said:
            await offers.keep(
                conn, attempt.tx_hash, node=each.node, says=each.says, bytes=each.bytes, words=each.words,
                accepted=each.says == broadcast.ACCEPTED, at=now,
            )  # fmt: skip

    async def _refused(self, slot: Slot, refusal: SignerRefused, lease: Lease) -> int:
        """What the slot carried is free again, and its nonce will be filled.

        The signer refuses by name only what it never bound to this nonce, so nothing of it can ever be mined.
        """
        if slot.state is not SlotState.RESERVED or slot.kind is SlotKind.FILL or not refusal.items:
            await self._alarm(slot, refusal, lease)
            if refusal.code == "fee_above_cap" and slot.state is SlotState.RESERVED:
                await self._quote_anew(slot, lease)
            if refusal.code in _WAITS:
                raise Retryable(f"the signer does not sign nonce {slot.nonce} now: {refusal.message}")
            raise Halted(f"the signer refuses nonce {slot.nonce} ({refusal.code}): {refusal.message}")
        named = {item.name: item.code for item in refusal.items}
        log.error("signer refused items", nonce=slot.nonce, items=named)
        data = await fee_oracle.data_cost(self._rpc, slot.wallet, bytes)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            await self._alarms.keep(conn, slot.chain_id, slot.wallet, slot.nonce, refusal)
            if slot.state is not SlotState.FINAL:  # else it ended meanwhile, and carries nothing any more
                await self._work.refused(conn, slot, refusal)
                await slots.advance_refused(conn, slot, gas=FILL_GAS + data.gas)
            self._failpoints.hit("submitter.before_refusal")
        self._failpoints.hit("submitter.after_refusal")
        return 1

    async def _alarm(self, slot: Slot, refusal: SignerRefused, lease: Lease) -> None:
        if not alarms(refusal):
            return
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await self._alarms.keep(conn, slot.chain_id, slot.wallet, slot.nonce, refusal)


def _agreed(said: Sequence[Offer]) -> Stuck | None:
    """What every node that answered agrees to be wrong; None while one took the bytes or left it open."""
    if broadcast.unanimous(said, Bytes.UNFUNDED):
        return Stuck.WALLET_UNFUNDED
    return Stuck.NODES_REFUSE if broadcast.unanimous(said, Bytes.HOPELESS) else None


def _report(attempt: Attempt, said: Sequence[Offer]) -> None:
    tx_hash = attempt.tx_hash.hex()
    for each in said:
        if each.says == broadcast.OTHER_HASH:
            log.error("node names another hash", tx_hash=tx_hash, node=each.node, words=each.words)
        elif each.bytes is not Bytes.IN_POOL:
            log.warning("node did not take bytes", tx_hash=tx_hash, node=each.node, says=each.says)
    if not said:
        log.warning("no node may be asked", tx_hash=tx_hash)
