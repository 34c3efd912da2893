"""A vault lane's work: batches of approved payouts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog

from bascule.chain import fee_oracle
from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.chain.receipts import Receipt
from bascule.chain.token_pause import Stop, moves, stopped
from bascule.domain import stops
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.fees import Ceiling
from bascule.domain.payout import LapseReason, PayoutState
from bascule.domain.webhook import EventType
from bascule.services import lost_bytes, submitted_batch
from bascule.services.batch_choice import Choice
from bascule.services.batch_outcome import BatchOutcome
from bascule.services.calling_off import CallingOff
from bascule.services.failpoints import Failpoints
from bascule.services.float_watch import FloatWatch
from bascule.services.lane_upkeep import LaneUpkeep
from bascule.services.pace import Pace
from bascule.services.payout_events import tell, tell_attempt
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.refused_items import why_it_waits
from bascule.services.reservation import (
    ROLLING_LIMIT,
    TOKEN_PAUSED,
    VAULT_FROZEN,
    Crowded,
    Outcome,
    Reservation,
)
from bascule.services.seams import Clock
from bascule.services.signer_alarms import SignerAlarms
from bascule.services.signing_intents import (
    FeeOffer,
    Intent,
    PayIntent,
    RulesQuestion,
    SignerPort,
    SignerRefused,
)
from bascule.storage import (
    blocks,
    cancels,
    freezes,
    lanes,
    leases,
    payouts,
    slots,
    tokens,
)
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection, Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease
from bascule.storage.payouts import WaitingRow
from bascule.storage.slots import Slot
from bascule.storage.tokens import Token

log = structlog.get_logger()

_STOPPED = {Stop.PAUSED: TOKEN_PAUSED, Stop.HOLDER_FROZEN: VAULT_FROZEN}
PASSED_OVER_AT_ONCE = 4  # each costs as many simulations as a batch can be halved, and the lease runs on
OVER_GAS = (f"vault_refuses:{vault_calls.OUT_OF_GAS}", f"vault_refuses:{vault_calls.GAS_BELOW_FLOOR}")
LIMIT_EXCEEDED = f"vault_refuses:{vault_calls.LIMIT_EXCEEDED}"


@dataclass
class Turn:
    """What a lane learned while it looked for its next batch. left_out: tokens nothing is taken of.

    limits: what the vault's rolling limit leaves, by token; began: whether it looked for one yet;
    passed_over: how many payouts that take all gas it found; most: how many the next batch has at most,
    where fewer than ever; unsettled: payouts that wait for what ran before a restore.
    """

    left_out: list[str]
    limits: dict[str, int] = field(default_factory=dict)
    began: bool = False
    passed_over: int = 0
    most: int | None = None
    unsettled: Sequence[str] = ()


class Paying:
    """Reserves payouts of one lane, says what the signer is asked, and writes what became of them."""

    proves = True
    width = 1

    def __init__(
        self,
        db: Database,
        rpc: Caller,
        signer: SignerPort,
        chain_id: int,
        lane: str,
        *,
        clock: Clock,
        alarms: SignerAlarms,
        ceiling: Ceiling,
        max_items: int,
        batch_life: timedelta,
        failpoints: Failpoints,
        pace: Pace,
    ) -> None:
        self._db = db
        self._rpc = rpc
        self._signer = signer
        self._chain_id = chain_id
        self._lane = lane
        self._clock = clock
        self._outbox = outbox = alarms.outbox
        self._ceiling = ceiling
        self._failpoints = failpoints
        self._pace = pace
        self._rounds = rounds = PayoutRounds(clock, outbox)
        self._reservation = Reservation(clock, alarms, rounds, max_items, batch_life)
        self._outcome = BatchOutcome(clock, outbox, rpc.names)
        self._calling_off = CallingOff(clock, outbox, rpc.names)
        float_watch = FloatWatch(db, rpc, clock, outbox, failpoints)
        self._upkeep = LaneUpkeep(db, rpc, clock, rounds, float_watch, failpoints)
        self._standing: Lane | None = None  # as the turn began
        self._over_gas: list[str] = []  # payouts that are passed over; the first was tried longest ago
        self._reserved: PayIntent | None = None  # what this turn reserved, until the signer is asked for it

    async def wallet(self) -> Address | None:
        """The lane's wallet. Raises: NotFound when there is no such lane."""
        async with self._db.read() as conn:
            self._standing = await lanes.get(conn, self._chain_id, self._lane)
        return self._standing.wallet

    async def prepare(self, lease: Lease) -> int:
        """What the lane sees to before it pays; how much of that changed rows."""
        self._reserved = None
        return await self._upkeep.look(self._as_it_stood(), lease)

    async def reserve(self, lease: Lease) -> bool:
        """Takes the batch whose turn it is, unless vault or signer would refuse it; its payouts say so.

        One that needs more gas than it may have is tried with half of its payouts, down to one. Who is passed
        over stays so in later turns, of which each tries one again: many of them cost many turns a little.
        """
        turn = Turn(await self._suspended(lease))
        left_out, limits = turn.left_out, turn.limits
        while (found := await self._next_choice(turn)) is not None:
            lane, choice = found
            refusal = await self._simulate(lane, choice) if choice.given else None
            if refusal == LIMIT_EXCEEDED and choice.token.id not in limits:
                token = Address(choice.token.contract)
                limits[choice.token.id] = await vault_calls.available(self._rpc, lane.vault, token)
                continue  # with as many payouts as the limit leaves
            if refusal in OVER_GAS and turn.passed_over == PASSED_OVER_AT_ONCE:
                left_out.append(choice.token.id)  # the next turn looks whom else it is
                continue
            if refusal in OVER_GAS and await self._narrow(lane, choice, refusal, turn, lease):
                continue
            if refusal is not None or choice.short == ROLLING_LIMIT:
                why = ROLLING_LIMIT if refusal is None else refusal
                async with self._db.transaction() as conn:
                    await leases.hold(conn, lease)
                    await self._reservation.wait(conn, lane, choice.token, why, turn.unsettled)
                    self._failpoints.hit("submitter.before_wait")
                self._failpoints.hit("submitter.after_wait")
            elif (choice.given or choice.short) and await self._reserve(lane, choice, turn, lease):
                return True
            left_out.append(choice.token.id)
            turn.most = None
        return False

    async def _narrow(
        self, lane: Lane, choice: Choice[WaitingRow], why: str, turn: Turn, lease: Lease
    ) -> bool:  # fmt: skip
        """The next choice has half as many payouts, or passes over the one that takes all gas alone.

        False when the token does so itself, whoever is paid, so that nothing of it can be taken.
        """
        turn.most = len(choice.given) // 2
        if turn.most:
            return True
        turn.most = None
        [(_, payout)] = choice.given
        if not await moves(self._rpc, Address(choice.token.contract), lane.vault, payout.amount):
            return False
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            if await payouts.mark_one_waiting(conn, payout.id, why):
                log.warning("a payout waits", payout=payout.id, reason=why)
            self._failpoints.hit("submitter.before_wait")
        self._failpoints.hit("submitter.after_wait")
        self._over_gas.append(payout.id)
        turn.passed_over += 1
        return True

    async def _reserve(self, lane: Lane, choice: Choice[WaitingRow], turn: Turn, lease: Lease) -> bool:
        """Takes what of the choice can still be taken; whether anything changed. Raises: Retryable."""
        accounts = {payout.account_id for _, payout in choice.given}
        mandates = {payout.mandate_id for _, payout in choice.given if payout.mandate_id is not None}
        rules = await self._signer.rules(
            RulesQuestion(
                lane.chain_id,
                lane.vault,
                choice.token.contract,
                tuple(sorted(accounts)),
                tuple(sorted(mandates)),
            )
        )
        cost = await fee_oracle.data_cost(self._rpc, lane.vault, lambda: choice.calldata(lane))
        fees = await fee_oracle.offer(self._rpc, gas=choice.gas, ceiling=self._ceiling, data_cost=cost)
        take = partial(
            self._reservation.reserve,
            lane=lane,
            epoch=lease.epoch,
            fees=fees,
            data_gas=cost.gas,
            looked=choice,
            rules=rules,
            accounts=accounts,
            limits=turn.limits,
            aside=self._passed_over(turn),
        )
        try:
            outcome = await self._taken(take, lease, alone=choice.short is not None)
        except Crowded:
            outcome = await self._taken(take, lease, alone=True)
        self._reserved = outcome.asked
        return outcome.changed

    async def _taken(
        self, take: Callable[..., Awaitable[Outcome]], lease: Lease, *, alone: bool
    ) -> Outcome:  # fmt: skip
        """What `take` makes of it, in one transaction. Raises: Crowded, and nothing was written."""
        async with self._pace.taking, self._db.transaction() as conn:
            await leases.hold(conn, lease)
            blocks.require_running(await blocks.cursor(conn, self._chain_id))
            outcome = await take(conn, alone=alone)
            if outcome.changed:
                self._failpoints.hit("submitter.before_reserve")
        if outcome.changed:
            self._failpoints.hit("submitter.after_reserve")
        return outcome

    async def lock(self, conn: Connection) -> None:
        """Lane and wallet, until the transaction ends."""
        await lanes.lock(conn, self._chain_id, self._lane)

    def reserved(self, slot: Slot, epoch: int) -> Intent | None:
        """The batch just reserved: what its rows were made from, which are not read again."""
        asked, self._reserved = self._reserved, None
        just = asked is not None and (asked.nonce, asked.epoch, asked.fees) == (
            slot.nonce,
            epoch,
            FeeOffer.of(slot.fees),
        )
        return asked if just else None

    async def question(self, conn: Connection, slot: Slot, epoch: int) -> Intent:
        """The batch as it stands in rows, with the approvals of its payouts."""
        return await submitted_batch.question(conn, slot, epoch)

    async def refused(self, conn: Connection, slot: Slot, refusal: SignerRefused) -> None:
        """Items the signer named are asked about anew, the others wait again; who was called off stays so.

        What was named for what other payouts took meanwhile waits too, and says so: its approvals are good.
        """
        named = {item.name: item.code for item in refusal.items}
        batch = await submitted_batch.load(conn, slot, lock=True)
        await slots.decide_items(conn, slot, [item.position for item in batch.items], "released")
        for _, payout in batch.pairs():
            code = named.get(payout.id)
            why = None if code is None else await why_it_waits(conn, self._chain_id, code)
            asked_anew = code is not None and why is None and payout.state is PayoutState.IN_TRANSIT
            if asked_anew and not await cancels.is_open(conn, payout.id):
                await self._rounds.lapse(conn, payout, LapseReason.SIGNER_REFUSED)
                continue
            await self._calling_off.release(conn, payout)
            if why is not None:
                await payouts.mark_one_waiting(conn, payout.id, why)

    async def flag(self, conn: Connection, slot: Slot, stuck: bool) -> None:
        """The payouts of the batch say that a person should look, or that it is over."""
        batch = await submitted_batch.load(conn, slot, lock=True)
        for _, payout in batch.pairs():
            if stuck and payout.state is not PayoutState.IN_TRANSIT:
                continue  # canceled at the vault: it waits for nothing
            told = await payouts.mark_stuck(conn, payout.id, stuck)
            if told is not None:
                event = EventType.PAYOUT_STUCK if stuck else EventType.PAYOUT_UPDATED
                await tell(conn, self._outbox, event, told)

    async def tried(self, conn: Connection, slot: Slot, tx_hash: Hash, before: Attempt | None) -> None:
        """The payouts of the batch show another transaction, or one that stands elsewhere."""
        await tell_attempt(conn, self._outbox, slot, tx_hash, before)

    async def lost(self, conn: Connection, slot: Slot) -> None:
        """Its payouts wait again, under the same ids."""
        batch = await submitted_batch.load(conn, slot, lock=True)
        await slots.decide_items(conn, slot, [item.position for item in batch.items], "released")
        for _, payout in batch.pairs():
            await self._calling_off.release(conn, payout)

    async def settle(self, conn: Connection, slot: Slot, receipt: Receipt, block: BlockRef) -> None:
        """Each payout is paid, refused or skipped as vault and token said; or all wait again."""
        lane = await lanes.lock(conn, self._chain_id, self._lane)
        await self._outcome.settle(conn, lane, slot, receipt, block)

    def _as_it_stood(self) -> Lane:
        """What of the lane does not change: its vault, its wallet, its number."""
        assert self._standing is not None, "a turn begins by asking for the wallet"
        return self._standing

    async def _suspended(self, lease: Lease) -> list[str]:
        """The tokens nothing is paid in now, suspended or frozen; their payouts say so."""
        async with self._db.read() as conn:
            every = [token for token in await tokens.every(conn) if token.chain_id == self._chain_id]
            frozen = {row["scope"] for row in await freezes.standing(conn)}
        lane = self._as_it_stood()
        found = {token: why for token in every if (why := _why_held(token, lane.wallet, frozen))}
        if found:
            async with self._db.transaction() as conn:
                await leases.hold(conn, lease)
                for token, why in found.items():
                    await self._reservation.wait(conn, lane, token, why)
                self._failpoints.hit("submitter.before_wait")
            self._failpoints.hit("submitter.after_wait")
        return [token.id for token in found]

    async def _next_choice(self, turn: Turn) -> tuple[Lane, Choice[WaitingRow]] | None:
        """The lane as it stands now and the batch whose turn it is; None while a slot is unfinished."""
        async with self._pace.choosing, self._db.read() as conn:
            lane = await lanes.get(conn, self._chain_id, self._lane)
            if lane.state != "open" or await slots.unfinished(conn, lane.chain_id, lane.wallet):
                return None
            if not turn.began:
                del self._over_gas[:1]  # it is tried again, or not there any more
                turn.unsettled = await lost_bytes.unsettled(conn, lane.chain_id, lane.vault)
                turn.began = True
            choice = await self._reservation.choose(
                conn, lane, turn.left_out, turn.limits, self._passed_over(turn), turn.most
            )
        return None if choice is None else (lane, choice)

    def _passed_over(self, turn: Turn) -> Sequence[str]:
        """Payouts that nothing is taken of in this turn."""
        return [*self._over_gas, *turn.unsettled]

    async def _simulate(self, lane: Lane, choice: Choice[WaitingRow]) -> str | None:
        """Why the batch would pay nobody now: the vault reverts it, or its token moves nothing; else None.

        Asked before reservation only: afterwards nothing but the chain decides. A token that is paused, or
        froze the vault, does not revert the batch: each of its items would be refused, and fail.
        """
        refusal = await vault_calls.refusal(
            self._rpc, sender=lane.wallet, vault=lane.vault, calldata=choice.calldata(lane), gas=choice.gas
        )
        if refusal is not None:
            return f"vault_refuses:{refusal}"
        least = min(payout.amount for _, payout in choice.given)
        why = await stopped(self._rpc, Address(choice.token.contract), lane.vault, least)
        return None if why is None else _STOPPED[why]


def _why_held(token: Token, wallet: Address, frozen: Collection[str]) -> str | None:
    """Why nothing is reserved of the token on this wallet now."""
    scopes = (*stops.money(token.chain_id, token.contract), stops.wallet(wallet))
    if held := next((scope for scope in scopes if scope in frozen), None):
        return f"frozen:{held}"
    return f"token_suspended:{token.suspended}" if token.suspended else None
