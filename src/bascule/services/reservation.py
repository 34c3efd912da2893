"""Reservation: nonce and vault ids are taken in the one transaction that puts payouts in transit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec
import structlog

from bascule.domain import vault as layout
from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees
from bascule.domain.payout import LapseReason, PayoutState
from bascule.domain.webhook import EventType
from bascule.services import approval_rounds, item_rules, policy
from bascule.services.approval_rounds import Round
from bascule.services.batch_choice import GAS_OF_BATCH, GAS_OF_ITEM, Choice, Row, covered, with_ids
from bascule.services.item_rules import Facts
from bascule.services.payout_events import tell_all
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.payout_view import Known
from bascule.services.refused_items import why_it_waits
from bascule.services.screening import Screening
from bascule.services.seams import Clock
from bascule.services.signer_alarms import SignerAlarms
from bascule.services.signing_intents import (
    FeeOffer,
    GivenMandate,
    OffendingItem,
    PayIntent,
    Rules,
    SignerRefused,
)
from bascule.services.submitted_batch import asked_for, mandates_of
from bascule.storage import floats, lanes, mandates, payout_batches, payouts, slots, tokens
from bascule.storage.database import Connection
from bascule.storage.floats import Count
from bascule.storage.lanes import Lane
from bascule.storage.payouts import PayoutRow, WaitingRow
from bascule.storage.tokens import Token

log = structlog.get_logger()

# A batch that lives shorter would rather revert than pay: whose approvals end sooner waits for new ones.
SHORTEST_LIFE = timedelta(minutes=5)

FLOAT_SHORT = "float_short"
ROLLING_LIMIT = "rolling_limit"
TOKEN_PAUSED = "token_paused"  # noqa: S105 - a reason
VAULT_FROZEN = "vault_frozen"

NO_LIMITS: Mapping[str, int] = {}

# 32 bytes each, in base64: with 256 items a question stays below the signer's megabyte.
LEAVES_MAX = 20_000


class Crowded(Exception):
    """What several lanes want must be counted one lane at a time; nothing that was written may stay."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """changed: whether rows did; asked: the batch that owns a nonce now, as the signer is to be asked."""

    changed: bool
    asked: PayIntent | None = None


NOTHING = Outcome(False)


@dataclass(frozen=True, slots=True)
class Left:
    """Base units that may be paid, and what to say when nothing that waits fits into them."""

    units: int
    short: str


@dataclass(frozen=True)
class Reservation:
    """Takes batches for a lane. batch_life: how long a batch may be mined after its reservation."""

    clock: Clock
    alarms: SignerAlarms
    rounds: PayoutRounds
    max_items: int
    batch_life: timedelta

    @property
    def _screening(self) -> Screening:
        return Screening(self.rounds.outbox)

    async def choose(
        self,
        conn: Connection,
        lane: Lane,
        without: Sequence[str] = (),
        limits: Mapping[str, int] = NO_LIMITS,
        aside: Collection[str] = (),
        most: int | None = None,
    ) -> Choice[WaitingRow] | None:
        """The batch whose turn it is on the lane, leaving out the tokens of `without`; None: nothing waits.

        aside: payouts that are passed over, too; most: how many it has at most, where fewer than ever.

        Its payouts are only looked at, so that no lane hides them from another one that looks; limits: what
        the vault's rolling limit leaves, of the tokens it was asked about.
        A choice without items: the oldest payout's token is short of float, or none of its payouts can be
        taken at this moment: their approvals are void or about to end, or somebody is just calling them off.
        """
        first = await payouts.oldest_waiting(conn, lane.chain_id, lane.vault, lane.lane, without, aside)
        if first is None:
            return None
        token = await tokens.get(conn, first.token_id)
        if token is None:
            raise Halted(f"payout {first.id} is of a token that does not exist")
        word = layout.word_of(
            layout.make_id(lane.lane, lane.next_sequence) if first.vault_id is None else first.vault_id
        )
        count = await floats.count(conn, lane.chain_id, lane.vault, token.id)
        left = _left(count, limits.get(token.id))
        place = (lane.chain_id, lane.vault, token.id, word, self.max_items)
        waiting = await payouts.waiting(conn, *place, aside)
        void = await policy.voided(conn, waiting)
        return await self._chosen(conn, lane, token, word, most or self.max_items, left, waiting, void)

    async def _locked(
        self,
        conn: Connection,
        lane: Lane,
        token: Token,
        word: int,
        most: int,
        left: Left | None,
        aside: Collection[str],
    ) -> Choice[PayoutRow]:
        """The batch as it stands now, its payouts locked until the transaction ends; as `_chosen`."""
        place = (lane.chain_id, lane.vault, token.id, word, self.max_items)
        waiting = await payouts.lock_waiting(conn, *place, aside)
        void = await policy.voided(conn, waiting)  # a list may have come since they were asked for:
        void |= frozenset(await self._screening.payouts(conn, [payout.id for payout in waiting]))
        return await self._chosen(conn, lane, token, word, most, left, waiting, void)

    async def _chosen(
        self,
        conn: Connection,
        lane: Lane,
        token: Token,
        word: int,
        most: int,
        left: Left | None,
        waiting: Sequence[Row],
        void: Collection[str],
    ) -> Choice[Row]:
        """At most so many of a token's oldest payouts in one word, but for `void`. left: None when all can be
        paid.
        """
        soonest = self.clock.now() + SHORTEST_LIFE
        lasting = [p for p in waiting if p.approval_expires_at >= soonest and p.id not in void]
        tellable = await _tellable(conn, lasting)
        affordable = tellable if left is None else covered(tellable, left.units)
        given, next_sequence = with_ids(lane, word, affordable[:most])
        # nothing is paid after the approvals for it are over, whoever keeps the signed bytes
        ends = [self.clock.now() + self.batch_life, *(payout.approval_expires_at for _, payout in given)]
        deadline = min(ends).replace(microsecond=0)
        short = None if left is None or affordable or not lasting else left.short
        return Choice(token, word, given, next_sequence, deadline, short)

    async def reserve(
        self,
        conn: Connection,
        lane: Lane,
        epoch: int,
        fees: Fees,
        data_gas: int,
        looked: Choice[WaitingRow],
        rules: Rules,
        accounts: Collection[str],
        limits: Mapping[str, int] = NO_LIMITS,
        aside: Collection[str] = (),
        *,
        alone: bool,
    ) -> Outcome:
        """One batch of the token and word looked at owns the lane's next nonce, if any may.

        What the signer's rules would refuse is set aside: it waits, or is asked about anew. Runs in the
        caller's transaction, which holds the lease. fees: for at most as much gas, `data_gas` of it for the
        batch's data; what was approved since they were asked for waits for the next batch; rules: of the
        token, these accounts and their mandates, asked for just now; payouts of others are left for the next
        time, as those aside are; alone: nobody else counts the vault's float meanwhile. Without it the count
        is left to the very end, and only taken is a batch that changes nothing else, while there is enough
        for all: otherwise it raises Crowded, and whoever called must roll back and ask again.
        """
        token = looked.token
        lane = await lanes.lock(conn, lane.chain_id, lane.name)
        if lane.state != "open" or await slots.unfinished(conn, lane.chain_id, lane.wallet):
            return NOTHING
        if alone:
            await floats.serialize_reserving(conn, lane.chain_id, lane.vault)
        count = await floats.count(conn, lane.chain_id, lane.vault, token.id, waiting=not alone)
        if not alone and (token.id in limits or not _plenty(count, rules)):
            raise Crowded
        left = _left(count, limits.get(token.id)) if alone else None
        most = (fees.gas - data_gas - GAS_OF_BATCH) // GAS_OF_ITEM
        choice = await self._locked(conn, lane, token, looked.word, most, left, aside)
        if choice.short == FLOAT_SHORT:
            await floats.propose(conn, lane.chain_id, lane.vault, token.id, self.clock.now())
        if choice.short:
            return Outcome(await self.wait(conn, lane, token, choice.short, aside))
        told = {None, *(each.mandate_id for each in rules.mandates)}
        choice = choice.only(
            lane, [p for _, p in choice.given if p.account_id in accounts and p.mandate_id in told]
        )
        rows = [payout for _, payout in choice.given]
        rounds = await approval_rounds.of_payouts(conn, rows, {token.id: token})
        under = await mandates_of(conn, rows)
        asked = _question(lane, choice, rounds, under)
        named = await self._named(conn, asked, rules, count.unsigned)
        if not alone and (named or asked.mandates):
            raise Crowded
        changed = await self._set_aside(conn, lane, choice, named)
        if named:
            choice = choice.only(lane, [payout for payout in rows if payout.id not in named])
            asked = _question(lane, choice, rounds, under)
        if not choice.given:
            return Outcome(changed)
        fees = replace(fees, gas=choice.gas + data_gas)
        nonce = await self._take(conn, lane, epoch, fees, choice, rounds)
        if not alone:
            await self._require_counted(conn, lane, token, rules)
        return Outcome(True, msgspec.structs.replace(asked, nonce=nonce, epoch=epoch, fees=FeeOffer.of(fees)))

    async def _require_counted(self, conn: Connection, lane: Lane, token: Token, rules: Rules) -> None:
        """Nobody else counts until the commit, and float and limit cover this batch too. Raises: Crowded."""
        await floats.serialize_reserving(conn, lane.chain_id, lane.vault)
        count = await floats.count(conn, lane.chain_id, lane.vault, token.id)
        most = -1 if rules.limits is None else rules.limits.per_day
        if count.paying > count.held or rules.spent + count.unsigned > most:
            raise Crowded

    async def wait(
        self, conn: Connection, lane: Lane, token: Token, reason: str, aside: Collection[str] = ()
    ) -> bool:  # fmt: skip
        """Keeps the reason on every pending payout of the token; whether one learned something new.

        aside: payouts that wait for something of their own.

        In the caller's transaction.
        """
        told = await payouts.mark_waiting(conn, lane.chain_id, lane.vault, token.id, reason, aside)
        if told:
            log.warning("payouts wait", token=token.id, reason=reason, payouts=told)
        return bool(told)

    async def _named(
        self, conn: Connection, asked: PayIntent, rules: Rules, reserved: int
    ) -> dict[str, str]:  # fmt: skip
        """Why the signer would not sign for some of the payouts, by id. reserved: what it is asked beside."""
        told = [each.mandate_id for each in asked.mandates]
        by_mandate = await mandates.unsigned(conn, told) if told else {}
        now = self.clock.now()
        found = item_rules.faults(asked, Facts.of(rules, asked, reserved, by_mandate, now), now)
        return {each.name: each.code for each in found}

    async def _set_aside(
        self, conn: Connection, lane: Lane, choice: Choice[PayoutRow], named: Mapping[str, str]
    ) -> bool:
        """Some wait and say why, the others are asked about anew; whether rows changed.

        What nobody honest brings about is an alarm, as when the signer itself had been asked.
        """
        changed = False
        for _, payout in choice.given:
            code = named.get(payout.id)
            if code is None:
                continue
            why = await why_it_waits(conn, lane.chain_id, code)
            if why is not None:
                told = await payouts.mark_one_waiting(conn, payout.id, why)
            else:
                await self.rounds.lapse(conn, payout, LapseReason.SIGNER_REFUSED)
                told = True
            if told:
                await self._alarm(conn, lane, payout, code)
                log.error("the signer would refuse a payout", payout=payout.id, code=code)
            changed |= told
        return changed

    async def _alarm(self, conn: Connection, lane: Lane, payout: PayoutRow, code: str) -> None:
        refusal = SignerRefused(
            code, "Seen before anything was reserved for it.", (OffendingItem(payout.id, code),)
        )
        await self.alarms.keep(conn, lane.chain_id, lane.wallet, lane.next_nonce, refusal, payout.id)

    async def _take(
        self,
        conn: Connection,
        lane: Lane,
        epoch: int,
        fees: Fees,
        choice: Choice[PayoutRow],
        rounds: Mapping[str, Round],
    ) -> int:
        """The nonce the batch owns."""
        nonce = await lanes.take(conn, lane, choice.next_sequence)
        await slots.insert_pay(
            conn,
            lane,
            nonce=nonce,
            epoch=epoch,
            token=Address(choice.token.contract),
            word=choice.word,
            deadline=choice.deadline,
            fees=fees,
            items={layout.index_of(vault_id): payout.id for vault_id, payout in choice.given},
            total=sum(payout.amount for _, payout in choice.given),
        )
        taken = await payouts.advance_to_in_transit(conn, choice.given)
        again = [payout.id for _, payout in choice.given if payout.vault_id is not None]
        known = Known({choice.token.id: choice.token}, rounds, again)
        await tell_all(
            conn,
            self.alarms.outbox,
            EventType.PAYOUT_IN_TRANSIT,
            taken,
            before=PayoutState.PENDING,
            known=known,
        )
        return nonce


def _plenty(count: Count, rules: Rules) -> bool:
    """Whether float and the day's limit cover all that waits, whoever counts first."""
    most = 0 if rules.limits is None else rules.limits.per_day
    fits = count.paying + count.waiting <= count.held
    return fits and rules.spent + count.unsigned + count.waiting <= most


def _left(count: Count, limit: int | None) -> Left:
    """What may be paid beside what the lanes are paying now. limit: what the vault's rolling limit leaves.

    What is mined and not final counts twice against the limit: too little is taken, never too much.
    """
    if limit is not None and limit < count.held:
        return Left(limit - count.paying, ROLLING_LIMIT)
    return Left(count.held - count.paying, FLOAT_SHORT)


def _question(
    lane: Lane, choice: Choice[PayoutRow], rounds: Mapping[str, Round], under: Mapping[str, GivenMandate]
) -> PayIntent:
    """What the signer will be asked for the batch, but for nonce, epoch and fees."""
    pairs = choice.placed
    used = {payout.mandate_id for _, payout in pairs}
    items, batches, told = asked_for(pairs, rounds, {id: each for id, each in under.items() if id in used})
    return PayIntent(
        chain_id=lane.chain_id, wallet=lane.wallet, nonce=lane.next_nonce, epoch=0,
        fees=FeeOffer(0, 0, 0), vault=lane.vault, lane=lane.lane, expected_head=lane.head,
        token=Address(choice.token.contract), word=choice.word,
        deadline=int(choice.deadline.timestamp()), items=items, batches=batches, mandates=told,
    )  # fmt: skip


async def _tellable(conn: Connection, waiting: Sequence[Row]) -> list[Row]:
    """The oldest payouts whose batches fit into one question to the signer, leaves and all."""
    ids = {payout.batch_id for payout in waiting if payout.batch_id is not None}
    sizes = await payout_batches.sizes(conn, ids) if len(ids) > 1 else {}  # one is told, whatever its size
    told: set[str] = set()
    tellable: list[Row] = []
    for payout in waiting:
        if payout.batch_id is not None and payout.batch_id not in told:
            told.add(payout.batch_id)
            if sum(sizes.get(id, 0) for id in told) > LEAVES_MAX and tellable:
                break
        tellable.append(payout)
    return tellable
