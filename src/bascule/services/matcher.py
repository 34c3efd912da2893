"""The matcher: what an intent's rows say it has received, written down and told.

Everything is computed anew from deposits, never by adding to an earlier result; whoever changes a deposit
calls `recompute` for its intent in the same transaction.
"""

from collections.abc import Mapping
from typing import Any

from bascule.domain import matching
from bascule.domain.application import APPLICATION, ApplicationEvent, ApplicationState, Reason
from bascule.domain.errors import Halted
from bascule.domain.matching import Decision, Fixed, Verdict
from bascule.domain.money import Money
from bascule.domain.payment_intent import PAYMENT_INTENT, Flag, IntentEvent, IntentState, IntentTerms
from bascule.domain.webhook import EventType
from bascule.services import deposits as deposit_service
from bascule.services import intents
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import applications, deposits, payment_intents, tokens
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow

_EVENT_OF_STEP = {
    IntentEvent.COVER: EventType.INTENT_PROCESSING,
    IntentEvent.UNCOVER: EventType.INTENT_REQUIRES_ACTION,
    IntentEvent.SETTLE: EventType.INTENT_SUCCEEDED,
}
_EVENT_OF_FLAG = {Flag.OVERPAID: EventType.INTENT_OVERPAID, Flag.HELD: EventType.INTENT_HELD}
Moves = dict[str, tuple[Fixed, Decision]]


async def recompute(
    conn: Connection,
    intent_id: str,
    outbox: Outbox,
    clock: Clock,
    happened: Mapping[str, EventType] | None = None,
) -> None:
    """Brings the intent's applications, totals, flags and state in step with its deposits, and tells.

    happened: what the caller did to deposits of this intent; told first, with what it made of them.
    Holds the intent's row until the transaction ends. Nothing is written when nothing changed.
    """
    intent = await payment_intents.lock(conn, intent_id)
    if intent is None:
        raise Halted(f"there is no payment intent {intent_id}, but money came to its address")
    seen = await deposits.of_intent(conn, intent_id)
    fixed = await applications.of_deposits(conn, [deposit.deposit_id for deposit in seen])
    flags = frozenset(Flag(flag) for flag in intent.flags)
    verdict = matching.decide(await terms_of(conn, intent), intent.state, seen, fixed, flags=flags)
    new = {k: v for k, v in verdict.decisions.items() if k not in fixed}
    moves = _moves(fixed, verdict)
    await applications.insert(conn, intent_id, new)
    await applications.advance(conn, moves)
    await deposits.grow_versions(conn, [k for k in moves if k not in (happened or {})])
    after = await _write(conn, intent, verdict, clock)
    await deposit_service.tell(conn, outbox, _deposit_events(happened or {}, new, moves))
    await _tell(conn, outbox, intent, after, _intent_events(intent, verdict, moves))


async def terms_of(conn: Connection, intent: IntentRow) -> IntentTerms:
    """What the payer was promised, from the intent's row."""
    known = {token.id: token for token in await tokens.every(conn)}
    accepted = (known[token_id] for token_id in intent.accepted_tokens)
    return IntentTerms(
        due=Money(intent.due, intent.currency),
        accepted=frozenset((token.chain_id, token.contract) for token in accepted),
        underpay_tolerance_bps=intent.underpay_tolerance_bps,
        underpay_tolerance_abs=intent.underpay_tolerance_abs,
        late=intent.late_policy,
        overpay=intent.overpay_policy,
        expires_at=intent.expires_at,
        closes_at=intent.closes_at,
    )


def _moves(fixed: Mapping[str, Fixed], verdict: Verdict) -> Moves:
    """The decisions that changed; a state that changed did so by a step the machine has."""
    moves: Moves = {}
    for deposit_id, before in fixed.items():
        after = verdict.decisions[deposit_id]
        if (before.state, before.reason, before.amount_applied) == (
            after.state,
            after.reason,
            after.amount_applied,
        ):
            continue
        if after.state is not before.state:
            applied = after.state is ApplicationState.APPLIED
            event = ApplicationEvent.APPLY if applied else ApplicationEvent.ORPHAN
            assert APPLICATION.step(before.state, event) is after.state
        moves[deposit_id] = before, after
    return moves


async def _write(conn: Connection, intent: IntentRow, verdict: Verdict, clock: Clock) -> IntentRow:
    flags = tuple(sorted(str(flag) for flag in verdict.flags))
    now = intent
    if (intent.received, intent.confirmed, tuple(sorted(intent.flags))) != (
        verdict.received,
        verdict.confirmed,
        flags,
    ):
        now = await payment_intents.record_totals(conn, intent.id, verdict.received, verdict.confirmed, flags)
    for event in verdict.events:
        target = PAYMENT_INTENT.step(now.state, event)
        now = await payment_intents.advance(conn, intent.id, now.state, target, at=clock.now())
    return now


def _deposit_events(
    happened: Mapping[str, EventType], new: Mapping[str, Decision], moves: Moves
) -> list[tuple[str, EventType]]:
    """What the caller did, then what each decision made of it; an orphaned deposit is told as such only."""
    events = list(happened.items())
    for deposit_id, decision in {**new, **{k: after for k, (_, after) in moves.items()}}.items():
        if decision.state is ApplicationState.APPLIED:
            events.append((deposit_id, EventType.DEPOSIT_APPLIED))
        elif decision.reason is not Reason.ORPHANED:
            events.append((deposit_id, EventType.DEPOSIT_UNAPPLIED))
    return events


def _intent_events(before: IntentRow, verdict: Verdict, moves: Moves) -> list[EventType]:
    events = []
    if any(after.reason is Reason.ORPHANED for _, after in moves.values()):
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
    return events


async def _tell(
    conn: Connection, outbox: Outbox, before: IntentRow, after: IntentRow, events: list[EventType]
) -> None:
    if not events:
        return
    shown = await intents.describe(conn, after.id)
    previous: dict[str, Any] = {}
    if before.state != after.state:
        previous["status"] = str(before.state)
    if before.received != after.received:
        previous["amount_received"] = Money(before.received, before.currency).display()
    if before.confirmed != after.confirmed:
        previous["amount_confirmed"] = Money(before.confirmed, before.currency).display()
    for event in events:
        await outbox.append(
            conn,
            account_id=after.account_id,
            livemode=after.livemode,
            type=event,
            object_id=after.id,
            object_version=after.version,
            object=shown,
            previous=previous or None,
        )
