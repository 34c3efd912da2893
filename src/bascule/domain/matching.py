"""Which deposits count for an intent, and what that makes of it.

`decide` is a pure function of rows: the same rows give the same verdict in any order, however often
it is asked. It never adds to an earlier result, so a reorg is simply another question. What was
applied stays applied while its block is canonical; what is final stays as it was booked; all other
deposits of an open intent are decided anew, in chain order, after those.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import Address, ChainId
from bascule.domain.deposit import DepositState
from bascule.domain.money import SCALE
from bascule.domain.payment_intent import (
    PAYMENT_INTENT,
    Flag,
    IntentEvent,
    IntentState,
    IntentTerms,
    threshold,
)

# 10^-18 units. No request is for more than 10^36 of them; what is beyond this is a mistake, or a node's lie.
# Amounts up to it can be added up for ever within the 78 digits that a sum has on disk.
MOST_BELIEVED = 10**54
# History, which rows of today cannot tell; whoever sees it happen adds it, and it stays.
STICKY = frozenset({Flag.EXPIRED, Flag.REORGED, Flag.REVERSED})

_UNITS = [10 ** (SCALE - decimals) for decimals in range(SCALE + 1)]  # by a token's decimals

_FLAG_OF = {
    Reason.ALREADY_PAID: Flag.DUPLICATE,
    Reason.WRONG_TOKEN: Flag.WRONG_TOKEN,
    Reason.WRONG_CHAIN: Flag.WRONG_CHAIN,
    Reason.HELD: Flag.HELD,
}


class Seen(NamedTuple):
    """A deposit at one of the intent's addresses, as its row stands now.

    amount: base units of its token; decimals: the token's, None for a token we do not know;
    block_time: of the block it is in now; position: (block number, log index) there;
    dust, minimum: the token's floors in base units; other_mode: live money for a test intent, or the reverse;
    early: not final, but certain enough for its intent's merchant; listed: the token's issuer names its
    address, so that nothing leaves it; screened: screening holds it.
    """

    deposit_id: str
    chain_id: ChainId
    token: Address
    amount: int
    decimals: int | None
    block_time: datetime
    position: tuple[int, int]
    state: DepositState
    dust: int = 0
    minimum: int = 0
    other_mode: bool = False
    early: bool = False
    listed: bool = False
    screened: bool = False

    @property
    def unit(self) -> int:
        """One base unit in 10^-18 of the currency; 0 for a token we do not know."""
        return 0 if self.decimals is None else _UNITS[self.decimals]

    @property
    def units(self) -> int:
        """The amount in 10^-18 of the currency; 0 for a token we do not know."""
        return self.amount * self.unit


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was decided about a deposit before: its application's row.

    chosen: the merchant wants it to count for this intent.
    """

    state: ApplicationState
    reason: Reason | None
    amount_applied: int
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What one deposit counts for. A deposit is applied whole or not at all.

    amount_applied: base units credited to the merchant, of an accepted deposit all; what an applied
    deposit has above it was not asked for and waits in suspense. reason: why it is unapplied, else None.
    """

    state: ApplicationState
    reason: Reason | None
    amount_applied: int


class Verdict(NamedTuple):
    """What the rows say of an intent. Amounts in 10^-18 units, of whole applied deposits.

    decisions: one for each deposit seen; received: canonical; confirmed: final, <= received;
    events: the machine's steps from the state given to `state`, in order; flags: the full set;
    early: it succeeds, or succeeded, on money of which not enough is final.
    """

    decisions: Mapping[str, Decision]
    received: int
    confirmed: int
    overpaid: int
    remaining: int
    events: tuple[IntentEvent, ...]
    state: IntentState
    flags: frozenset[Flag]
    early: bool = False


def decide(
    terms: IntentTerms,
    intent_state: IntentState,
    seen: Collection[Seen],
    fixed: Mapping[str, Fixed],
    *,
    flags: Collection[Flag] = (),
    early: bool = False,
    asked: Collection[str] = (),
) -> Verdict:
    """The verdict over all deposits of one intent, each of them decided exactly once.

    fixed: earlier decisions by deposit id, all that exist; flags: those the intent has, for the sticky ones;
    early: it succeeded before enough money was final. Until then each deposit counts as it would have, had
    the merchant waited: what is booked does not depend on when he was told;
    asked: deposits the merchant applies now, so that what was decided about them binds no more.
    """
    assert len({s.deposit_id for s in seen}) == len(seen), "a deposit is given once"
    enough = threshold(terms)
    true_state = intent_state
    if early and intent_state is IntentState.SUCCEEDED and _final(seen, fixed) < enough:
        intent_state = IntentState.PROCESSING
    decisions: dict[str, Decision] = {}
    received = credited = confirmed = early_money = 0
    in_turn = sorted(seen, key=lambda s: _turn(s, fixed.get(s.deposit_id))) if len(seen) > 1 else seen
    for deposit in in_turn:
        before = fixed.get(deposit.deposit_id)
        binding = None if deposit.deposit_id in asked else before
        decision = _kept(terms, intent_state, deposit, binding, credited)
        if decision is None:
            chosen = before is not None and before.chosen
            reason = _refusal(terms, enough, intent_state, deposit, received, chosen=chosen)
            decision = _applied(terms, deposit, credited) if reason is None else _unapplied(reason)
        decisions[deposit.deposit_id] = decision
        if counts(decision, deposit.state):
            units = deposit.units
            received += units
            credited += decision.amount_applied * deposit.unit
            if deposit.state is DepositState.FINALIZED:
                confirmed += units
            elif deposit.early and deposit.state is DepositState.DETECTED:
                early_money += units
    events = _events(enough, true_state, received, confirmed + early_money)
    state = true_state
    for event in events:
        state = PAYMENT_INTENT.step(state, event)
    return Verdict(
        decisions=decisions,
        received=received,
        confirmed=confirmed,
        overpaid=max(0, received - terms.due.units),
        remaining=max(0, terms.due.units - received),
        events=events,
        state=state,
        flags=_flags(terms, enough, state, seen, decisions, received) | STICKY.intersection(flags),
        early=state is IntentState.SUCCEEDED and confirmed < enough,
    )


def counts(decision: Decision | Fixed, state: DepositState) -> bool:
    """Whether a deposit's money is part of what its intent received; refunds stand beside it."""
    if state is DepositState.ORPHANED:
        return False
    refunded_after_use = decision.state is ApplicationState.REFUNDED and decision.amount_applied > 0
    return decision.state is ApplicationState.APPLIED or refunded_after_use


def _final(seen: Iterable[Seen], fixed: Mapping[str, Fixed]) -> int:
    """What is final of what counted before, in 10^-18 units."""
    return sum(
        deposit.units
        for deposit in seen
        if deposit.state is DepositState.FINALIZED
        and (before := fixed.get(deposit.deposit_id)) is not None
        and counts(before, deposit.state)
    )


def _turn(deposit: Seen, before: Fixed | None) -> tuple[object, ...]:
    """Booked money first, then what was applied, then chain order (block time across chains)."""
    booked = before is not None and deposit.state is DepositState.FINALIZED
    applied = before is not None and before.state is not ApplicationState.UNAPPLIED
    place = (deposit.block_time, deposit.chain_id, deposit.position, deposit.deposit_id)
    return (not booked, not applied, *place)


def _kept(
    terms: IntentTerms, intent_state: IntentState, deposit: Seen, before: Fixed | None, credited: int
) -> Decision | None:
    """The decision that already binds, or None when the deposit is to be decided anew."""
    if before is not None and before.state is ApplicationState.ACCEPTED:
        return Decision(before.state, before.reason, deposit.amount)
    if before is not None and before.state is ApplicationState.REFUNDED:
        return Decision(before.state, before.reason, before.amount_applied)
    if deposit.state is DepositState.ORPHANED:
        return _unapplied(Reason.ORPHANED)
    if before is None or before.reason is Reason.ORPHANED:
        return None
    if deposit.state is DepositState.FINALIZED:
        return Decision(before.state, before.reason, before.amount_applied)
    if before.state is ApplicationState.APPLIED:
        return None if deposit.screened else _applied(terms, deposit, credited)
    closed = intent_state in PAYMENT_INTENT.finals
    return Decision(before.state, before.reason, 0) if closed else None


def _refusal(
    terms: IntentTerms, enough: int, intent_state: IntentState, deposit: Seen, received: int, *, chosen: bool
) -> Reason | None:
    """Why a deposit does not count, or None when it does. The first rule that speaks decides.

    No floor stands in the way of the last small part that an intent still lacks. What the merchant has
    chosen to apply counts unless the intent is over or has all it asked for.
    """
    units = deposit.units
    completes = chosen or received < enough <= received + units
    asked_for = chosen or (deposit.chain_id, deposit.token) in terms.accepted
    # one after the other, as nearly always none of them speaks and this is asked of every deposit
    if deposit.decimals is None:
        return Reason.UNSUPPORTED_TOKEN
    if deposit.other_mode:
        return Reason.TEST_MODE
    # before the token rules: zero and dust transfers are a poisoner's, not a payer's mistake
    if deposit.amount == 0 or (deposit.amount < deposit.dust and not completes):
        return Reason.DUST
    if deposit.listed or deposit.screened:
        return Reason.HELD
    if not asked_for:
        elsewhere = all(chain != deposit.chain_id for chain, _ in terms.accepted)
        return Reason.WRONG_CHAIN if elsewhere else Reason.WRONG_TOKEN
    if intent_state is IntentState.SUCCEEDED:
        return Reason.ALREADY_PAID
    if intent_state is IntentState.CANCELED or (not chosen and deposit.block_time > terms.closes_at):
        return Reason.INTENT_CLOSED
    if received >= terms.due.units:
        return Reason.ALREADY_PAID
    if deposit.amount < deposit.minimum and not completes:
        return Reason.BELOW_MINIMUM
    too_late = not chosen and terms.late == "hold" and deposit.block_time > terms.expires_at
    return Reason.HELD if units > MOST_BELIEVED or too_late else None


def _applied(terms: IntentTerms, deposit: Seen, credited: int) -> Decision:
    """Applied whole; credited whole, or under `hold` only as far as it was asked for.

    credited: units that other deposits were credited with. A base unit that the due amount needs a
    part of is credited: nothing is cut in two.
    """
    amount = deposit.amount
    if terms.overpay == "hold":
        assert deposit.decimals is not None, "only known tokens are applied"
        amount = min(amount, -(-max(0, terms.due.units - credited) // deposit.unit))
    return Decision(ApplicationState.APPLIED, None, amount)


def _unapplied(reason: Reason) -> Decision:
    return Decision(ApplicationState.UNAPPLIED, reason, 0)


def _events(enough: int, state: IntentState, received: int, relied_on: int) -> tuple[IntentEvent, ...]:
    covered, settled = received >= enough, relied_on >= enough
    match state:
        case IntentState.REQUIRES_ACTION if settled:
            return (IntentEvent.COVER, IntentEvent.SETTLE)
        case IntentState.REQUIRES_ACTION if covered:
            return (IntentEvent.COVER,)
        case IntentState.PROCESSING if settled:
            return (IntentEvent.SETTLE,)
        case IntentState.PROCESSING if not covered:
            return (IntentEvent.UNCOVER,)
        case _:
            return ()


def _flags(
    terms: IntentTerms,
    enough: int,
    state: IntentState,
    seen: Iterable[Seen],
    decisions: Mapping[str, Decision],
    received: int,
) -> frozenset[Flag]:
    flags: set[Flag] = set()
    if state is IntentState.SUCCEEDED and received < enough:
        flags.add(Flag.REVERSED)
    for deposit in seen:
        decision = decisions[deposit.deposit_id]
        if deposit.state is DepositState.ORPHANED:
            flags.add(Flag.REORGED)
        if decision.reason in _FLAG_OF:
            flags.add(_FLAG_OF[decision.reason])
        meant = counts(decision, deposit.state) or decision.reason is Reason.HELD
        if meant and deposit.block_time > terms.expires_at:
            flags.add(Flag.LATE)
    if 0 < received < enough:
        flags.add(Flag.PARTIALLY_PAID)
    elif enough <= received < terms.due.units:
        flags.add(Flag.UNDERPAID_ACCEPTED)
    elif received > terms.due.units:
        flags.add(Flag.OVERPAID)
    return frozenset(flags)
