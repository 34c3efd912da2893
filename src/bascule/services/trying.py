"""What a transfer would make of a payment intent, by the rules that decide about real ones. Writes nothing.

Screening, and what a token's issuer or a stranger's contract does, are not foreseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bascule.domain import matching
from bascule.domain.application import REASON_SENTENCES, ApplicationState
from bascule.domain.chain import caip2
from bascule.domain.deposit import DepositState
from bascule.domain.early import FINAL, spell
from bascule.domain.errors import Rejected
from bascule.domain.matching import Decision, Fixed, Seen, Verdict
from bascule.domain.money import SCALE, display_units, parse_amount
from bascule.domain.payment_intent import Flag
from bascule.services.intent_view import Catalog, catalog
from bascule.services.matches import Match, intent_events, terms_of
from bascule.storage import deposits, payment_intents
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow
from bascule.storage.tokens import Token

_TRIAL = "the transfer that is tried"
_LAST = (2**62, 0)  # after everything else of its block time


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer to one of the intent's addresses. amount: decimal string; at: of its block."""

    token: str
    amount: object
    at: datetime


async def try_transfer(conn: Connection, intent: IntentRow, transfer: Transfer) -> dict[str, Any]:
    """What would be decided about it; what the intent would be once it is seen, and once all of it is final.

    Raises: Rejected, naming the parameter.
    """
    known = await catalog(conn)
    token = await _token(conn, intent, transfer, known)
    units = parse_amount(transfer.amount, token.currency).to_token(token.asset).units
    found = await deposits.of_intents(conn, {intent.id: intent.livemode})
    before = {each.seen.deposit_id: each.fixed for each in found[intent.id] if each.fixed is not None}
    others = [each.seen for each in found[intent.id]]
    new = Seen(
        deposit_id=_TRIAL,
        chain_id=token.chain_id,
        token=token.contract,
        amount=units,
        decimals=token.decimals if token.accepted else None,
        block_time=transfer.at,
        position=_LAST,
        state=DepositState.DETECTED,
        dust=token.dust,
        minimum=token.minimum,
        other_mode=known.networks[token.chain_id].livemode is not intent.livemode,
    )
    seen = _decided(intent, known, [*others, new], before)
    decision = seen.decisions[_TRIAL]
    after = {
        id: Fixed(made.state, made.reason, made.amount_applied, id in before and before[id].chosen)
        for id, made in seen.decisions.items()
    }
    flags = tuple(sorted(map(str, seen.flags)))
    grown = intent._replace(state=seen.state, flags=flags, received=seen.received, confirmed=seen.confirmed)
    final = _decided(grown, known, [_finalized(each) for each in (*others, new)], after)
    return {
        "object": "payment_intent.trial",
        "payment_intent": intent.id,
        "network": caip2(token.chain_id),
        "token": token.id,
        "amount_atomic": str(units),
        "block_time": int(transfer.at.timestamp()),
        **_told(decision),
        "when_seen": _state(intent, seen, decision),
        "when_final": _state(grown, final, None),
    }


async def _token(conn: Connection, intent: IntentRow, transfer: Transfer, known: Catalog) -> Token:
    token = known.tokens.get(transfer.token)
    if token is None:
        raise Rejected("token_unknown", f"No such token: {transfer.token!r:.70}.", param="token")
    watched = {each.chain_id for each in await payment_intents.addresses_of(conn, [intent.id])}
    if token.chain_id not in watched:
        raise Rejected(
            "token_network_mismatch",
            f"None of the intent's addresses is watched on {caip2(token.chain_id)}; nothing would be seen.",
            param="token",
        )
    return token


def _decided(intent: IntentRow, known: Catalog, seen: list[Seen], fixed: dict[str, Fixed]) -> Verdict:
    return matching.decide(
        terms_of(intent, known.tokens),
        intent.state,
        seen,
        fixed,
        flags=frozenset(Flag(flag) for flag in intent.flags),
        early=intent.succeeded_by not in (None, spell(FINAL)),
    )


def _finalized(seen: Seen) -> Seen:
    return seen._replace(state=DepositState.FINALIZED) if seen.state is DepositState.DETECTED else seen


def _told(decision: Decision) -> dict[str, Any]:
    applied = decision.state is ApplicationState.APPLIED
    return {
        "application": str(decision.state),
        "unapplied_reason": None if decision.reason is None else str(decision.reason),
        "because": "It counts for the intent."
        if applied or decision.reason is None
        else REASON_SENTENCES[decision.reason],
    }


def _state(before: IntentRow, verdict: Verdict, new: Decision | None) -> dict[str, Any]:
    decisions = {} if new is None else {_TRIAL: new}
    events = intent_events(Match(before, (), verdict, decisions, {}))
    return {
        "status": str(verdict.state),
        "flags": sorted(map(str, verdict.flags)),
        "amount_received": display_units(verdict.received, SCALE),
        "amount_confirmed": display_units(verdict.confirmed, SCALE),
        "amount_remaining": display_units(verdict.remaining, SCALE),
        "amount_overpaid": display_units(verdict.overpaid, SCALE),
        "events": [str(event) for event in events],
    }


def moment(seconds: int | None, now: datetime) -> datetime:
    """Unix seconds as a moment; without them `now`, to the second."""
    return now.replace(microsecond=0) if seconds is None else datetime.fromtimestamp(seconds, UTC)
