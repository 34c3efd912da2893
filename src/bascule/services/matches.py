"""What an intent's deposits make of it: how its rows change, and what is to be told.

Reads and writes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from bascule.domain import matching
from bascule.domain.application import APPLICATION, ApplicationEvent, ApplicationState, Reason
from bascule.domain.early import FINAL, spell
from bascule.domain.matching import Decision, Fixed, Verdict
from bascule.domain.money import Money
from bascule.domain.payment_intent import Flag, IntentEvent, IntentState, IntentTerms
from bascule.domain.webhook import EventType
from bascule.storage.deposits import Candidate, Shown
from bascule.storage.payment_intents import IntentChange, IntentRow
from bascule.storage.tokens import Token

_EVENT_OF_STEP = {
    IntentEvent.COVER: EventType.INTENT_PROCESSING,
    IntentEvent.UNCOVER: EventType.INTENT_REQUIRES_ACTION,
    IntentEvent.SETTLE: EventType.INTENT_SUCCEEDED,
}
_EVENT_OF_FLAG = {
    Flag.OVERPAID: EventType.INTENT_OVERPAID,
    Flag.REVERSED: EventType.INTENT_REVERSED,
    Flag.HELD: EventType.INTENT_HELD,
}
_FINAL = spell(FINAL)
Moves = dict[str, tuple[Fixed, Decision]]


class Match(NamedTuple):
    """An intent and what was decided about its deposits.

    shown: its deposits as read, in chain order; new: first decisions, by deposit id; moves: decisions that
    changed, (as read, as it is now).
    """

    intent: IntentRow
    shown: Sequence[Shown]
    verdict: Verdict
    new: Mapping[str, Decision]
    moves: Moves


def match(
    intent: IntentRow,
    tokens: Mapping[str, Token],
    candidates: Sequence[Candidate],
    asked: Collection[str] = (),
) -> Match:
    """Decides anew. tokens: all there are, by id; asked: as in `matching.decide`."""
    seen = [each.seen for each in candidates]
    fixed = {each.seen.deposit_id: each.fixed for each in candidates if each.fixed is not None}
    flags = frozenset(Flag(flag) for flag in intent.flags)
    early = intent.succeeded_by not in (None, _FINAL)
    verdict = matching.decide(
        terms_of(intent, tokens), intent.state, seen, fixed, flags=flags, early=early, asked=asked
    )
    new = {k: decision for k, decision in verdict.decisions.items() if k not in fixed}
    return Match(intent, [each.shown for each in candidates], verdict, new, _moves(fixed, verdict))


def terms_of(intent: IntentRow, tokens: Mapping[str, Token]) -> IntentTerms:
    """What the payer was promised, from the intent's row."""
    accepted = [tokens[token_id] for token_id in intent.accepted_tokens]
    return IntentTerms(
        due=Money(intent.due, intent.currency),
        accepted=frozenset([(token.chain_id, token.contract) for token in accepted]),
        underpay_tolerance_bps=intent.underpay_tolerance_bps,
        underpay_tolerance_abs=intent.underpay_tolerance_abs,
        late=intent.late_policy,
        overpay=intent.overpay_policy,
        expires_at=intent.expires_at,
        closes_at=intent.closes_at,
    )


def change(found: Match) -> IntentChange | None:
    """How the intent's row changes; None when it stays as it is."""
    intent, verdict = found.intent, found.verdict
    flags = tuple(sorted([str(flag) for flag in verdict.flags]))
    before = intent.received, intent.confirmed, tuple(sorted(intent.flags))
    growth = len(verdict.events) + (before != (verdict.received, verdict.confirmed, flags))
    if not growth:
        return None
    return IntentChange(
        before=intent,
        state=verdict.state,
        received=verdict.received,
        confirmed=verdict.confirmed,
        flags=flags,
        by=intent.finality if verdict.early else _FINAL,
        growth=growth,
    )


def quiet(found: Match, happened: Collection[str]) -> list[str]:
    """The deposits that are shown otherwise though nothing happened to them but another decision."""
    return [deposit_id for deposit_id in found.moves if deposit_id not in happened]


def shown_after(found: Match, happened: Collection[str]) -> dict[str, Shown]:
    """The deposits as their rows are once the match is written, by id, in chain order."""
    rows = {row.id: row for row in found.shown}
    grown = set(quiet(found, happened))
    for deposit_id, decision in decisions(found).items():
        row = rows[deposit_id]
        rows[deposit_id] = row._replace(
            application_state=str(decision.state),
            intent_id=found.intent.id,
            reason=None if decision.reason is None else str(decision.reason),
            amount_applied=decision.amount_applied,
            version=row.version + (deposit_id in grown),
        )
    return rows


def decisions(found: Match) -> dict[str, Decision]:
    """What is decided otherwise than before, by deposit id: first decisions, then those that changed."""
    return {**found.new, **{deposit_id: after for deposit_id, (_, after) in found.moves.items()}}


def deposit_events(found: Match, happened: Mapping[str, EventType]) -> list[tuple[str, EventType]]:
    """What the caller did, then what each decision made of it; an orphaned deposit is told as such only."""
    events = list(happened.items())
    for deposit_id, decision in decisions(found).items():
        if decision.state is ApplicationState.APPLIED:
            events.append((deposit_id, EventType.DEPOSIT_APPLIED))
        elif decision.reason is not Reason.ORPHANED:
            events.append((deposit_id, EventType.DEPOSIT_UNAPPLIED))
    return events


def intent_events(found: Match) -> list[EventType]:
    """What happened to the intent, in the order in which it is told."""
    before, verdict = found.intent, found.verdict
    events = []
    if any(after.reason is Reason.ORPHANED for _, after in found.moves.values()):
        events.append(EventType.INTENT_REORGED)
    partial = verdict.state is IntentState.REQUIRES_ACTION and Flag.PARTIALLY_PAID in verdict.flags
    if partial and verdict.received > before.received:
        events.append(EventType.INTENT_PARTIALLY_FUNDED)
    events += [_EVENT_OF_STEP[event] for event in verdict.events]
    events += [
        event
        for flag, event in _EVENT_OF_FLAG.items()
        if flag in verdict.flags and str(flag) not in before.flags
    ]
    if any(_was_held(was, now) for was, now in found.moves.values()):
        events.append(EventType.INTENT_RELEASED)
    return events


def previous(before: IntentRow, after: IntentRow) -> dict[str, Any] | None:
    """The attributes that were otherwise, as the API showed them; None when there are none."""
    was: dict[str, Any] = {}
    if before.state != after.state:
        was["status"] = str(before.state)
    if before.received != after.received:
        was["amount_received"] = Money(before.received, before.currency).display()
    if before.confirmed != after.confirmed:
        was["amount_confirmed"] = Money(before.confirmed, before.currency).display()
    return was or None


def _moves(fixed: Mapping[str, Fixed], verdict: Verdict) -> Moves:
    """The decisions that changed; a state that changed did so by a step the machine has."""
    moves: Moves = {}
    for deposit_id, after in verdict.decisions.items():
        before = fixed.get(deposit_id)
        if before is None or (before.state, before.reason, before.amount_applied) == (
            after.state,
            after.reason,
            after.amount_applied,
        ):
            continue
        if after.state is not before.state:
            assert APPLICATION.step(before.state, _event(after)) is after.state
        moves[deposit_id] = before, after
    return moves


def _was_held(before: Fixed, after: Decision) -> bool:
    """Whether what held a deposit does so no more; that its block is gone releases nothing."""
    return before.reason is Reason.HELD and after.reason not in (Reason.HELD, Reason.ORPHANED)


def _event(after: Decision) -> ApplicationEvent:
    """What the matcher did to an application that it moved."""
    if after.state is ApplicationState.APPLIED:
        return ApplicationEvent.APPLY
    return ApplicationEvent.ORPHAN if after.reason is Reason.ORPHANED else ApplicationEvent.HOLD
