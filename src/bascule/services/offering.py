"""Offering a slot to the chain: ask the signer, keep the bytes, send them until they are in a block."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bascule.chain import fee_oracle
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, NodeUnreachable, RpcError, WrongShape
from bascule.domain.attempt import AttemptEvent, AttemptState
from bascule.domain.chain import Hash
from bascule.domain.errors import Halted, Retryable
from bascule.domain.slot import SlotEvent, SlotKind, SlotState
from bascule.services.failpoints import Failpoints
from bascule.services.lane_work import LaneWork
from bascule.services.seams import Clock
from bascule.services.signing_intents import (
    FILL_GAS,
    FeeOffer,
    FillIntent,
    Intent,
    Signed,
    SignerPort,
    SignerRefused,
)
from bascule.storage import attempts, blocks, leases, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease
from bascule.storage.slots import Slot

log = structlog.get_logger()

# Refusals that time or an operator's hand heals; by any other, rows and signer contradict each other.
_WAITS = frozenset(
    {
        "epoch_stale",
        "wallet_frozen",
        "fee_above_cap",
        "gas_above_cap",
        "token_not_allowed",
        "seed_missing",
        "too_many_addresses",
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
        fee_ceiling: int,
        resend_after: timedelta,
        bump_after: timedelta,
        failpoints: Failpoints,
    ) -> None:
        self._db = db
        self._rpc = rpc
        self._signer = signer
        self._work = work
        self._clock = clock
        self._fee_ceiling = fee_ceiling
        self._resend_after = resend_after
        self._bump_after = bump_after
        self._failpoints = failpoints
        self._sent: dict[Hash, datetime] = {}  # when this process sent bytes last

    async def offer(self, slot: Slot, lease: Lease) -> int:
        """Does what the slot needs to be mined; how many things that were. 0 once it is in a block.

        Raises: ChainHalted, and nothing is signed or sent.
        """
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, slot.chain_id))
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            if slot.state in (SlotState.MINED, SlotState.FINAL):
                return 0
            asked_before = slot.fees
            slot = await self._bump_if_late(conn, slot)
            known = await attempts.of_slot(conn, slot)
            asked = None
            if not any(attempt.fees == slot.fees for attempt in known):
                asked = await self._question(conn, slot, lease.epoch)
            bumped = slot.fees != asked_before
            if bumped:
                self._failpoints.hit("submitter.before_bump")
        if bumped:
            self._failpoints.hit("submitter.after_bump")
        if asked is None:
            return await self._send(slot, known[0], lease)
        self._failpoints.hit("submitter.before_sign")
        try:
            signed = await self._signer.sign(asked)
        except (SignerRefused, Retryable) as error:
            frozen = isinstance(error, SignerRefused) and error.code == "wallet_frozen"
            if (
                known and not frozen
            ):  # no dearer bytes: those there are must still reach nodes that forget them
                await self._send(slot, known[0], lease)
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

    async def _bump_if_late(self, conn: Connection, slot: Slot) -> Slot:
        """The slot with higher fees to ask for, when its dearest bytes were not mined for too long."""
        known = await attempts.of_slot(conn, slot)
        if not known or known[0].fees != slot.fees or known[0].offered_at is None:
            return slot
        if self._clock.now() - known[0].offered_at < self._bump_after:
            return slot
        fees = slot.fees.bumped(self._fee_ceiling)
        if fees is None:
            log.warning("fee ceiling reached", wallet=slot.wallet.hex(), nonce=slot.nonce)
            return slot
        await slots.ask_fees(conn, slot, fees)
        return await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)

    async def _quote_anew(self, slot: Slot, lease: Lease) -> None:
        """Fees of now for a slot of which no bytes were ever kept: those of its reservation are too dear."""
        fees = await fee_oracle.offer(self._rpc, gas=slot.fees.gas, ceiling=self._fee_ceiling)
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
            await attempts.insert(
                conn, slot, tx_hash=tx_hash, raw=signed.raw, fees=slot.fees, created_at=self._clock.now()
            )
            if slot.state is SlotState.RESERVED:
                await slots.advance(conn, slot, SlotEvent.SIGN)
            attempt = await attempts.lock(conn, tx_hash)
            self._failpoints.hit("submitter.before_save")
        self._failpoints.hit("submitter.after_save")
        return attempt

    async def _send(self, slot: Slot, attempt: Attempt, lease: Lease) -> int:
        """Offers the bytes to the node unless that was done a moment ago; the answer decides nothing."""
        now = self._clock.now()
        sent = self._sent.get(attempt.tx_hash)
        fresh = sent is not None and attempt.offered_at is not None and sent >= attempt.offered_at
        if fresh and sent is not None and now - sent < self._resend_after:
            return 0
        self._failpoints.hit("submitter.before_send")
        try:
            await self._rpc.call("eth_sendRawTransaction", "0x" + attempt.raw.hex())
        except RpcError as error:
            if error.says is not NodeSays.ALREADY_KNOWN:
                log.warning("node refused bytes", tx_hash=attempt.tx_hash.hex(), says=error.says.value)
        except (NodeUnreachable, WrongShape) as error:
            log.warning("unknown whether bytes arrived", tx_hash=attempt.tx_hash.hex(), reason=str(error))
        self._sent[attempt.tx_hash] = now
        self._failpoints.hit("submitter.after_send")
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            attempt = await attempts.lock(conn, attempt.tx_hash)
            if attempt.state is AttemptState.SIGNED:
                await attempts.advance_to_offered(conn, attempt, AttemptEvent.OFFER, now)
            if slot.state is SlotState.SIGNED:
                await slots.advance(conn, slot, SlotEvent.OFFER)
            self._failpoints.hit("submitter.before_offered")
        self._failpoints.hit("submitter.after_offered")
        return 1

    async def _refused(self, slot: Slot, refusal: SignerRefused, lease: Lease) -> int:
        """What the slot carried is free again, and its nonce will be filled.

        The signer refuses by name only what it never bound to this nonce, so nothing of it can ever be mined.
        """
        if slot.state is not SlotState.RESERVED or slot.kind is SlotKind.FILL or not refusal.items:
            if refusal.code == "fee_above_cap" and slot.state is SlotState.RESERVED:
                await self._quote_anew(slot, lease)
            if refusal.code in _WAITS:
                raise Retryable(f"the signer does not sign nonce {slot.nonce} now: {refusal.message}")
            raise Halted(f"the signer refuses nonce {slot.nonce} ({refusal.code}): {refusal.message}")
        named = {item.name: item.code for item in refusal.items}
        log.error("signer refused items", nonce=slot.nonce, items=named)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            slot = await slots.lock(conn, slot.chain_id, slot.wallet, slot.nonce)
            await self._work.refused(conn, slot, refusal)
            await slots.advance_refused(conn, slot, gas=FILL_GAS)
            self._failpoints.hit("submitter.before_refusal")
        self._failpoints.hit("submitter.after_refusal")
        return 1
