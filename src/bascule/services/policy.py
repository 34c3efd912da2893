"""Facts for policy: what rules, what the account has asked for, who may sign; and the decision on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule.domain import policy as rulebook
from bascule.domain.chain import Address
from bascule.domain.money import TokenAmount
from bascule.domain.policy import DAY, Ask, Decision, Facts, Rules
from bascule.services.signatories import signatories
from bascule.storage import approvals, destinations, payouts, policies, tokens
from bascule.storage.database import Connection
from bascule.storage.destinations import Destination
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and what it stands on. policy_id: None where no policy is in force, or one is only tried."""

    decision: Decision
    policy_id: str | None
    rules: Rules | None
    facts: Facts
    roster_version: int
    may_sign: frozenset[Address]


async def judge(
    conn: Connection,
    *,
    account_id: str,
    livemode: bool,
    token: Token,
    amount: TokenAmount,
    destination: Address,
    maker: Address | None,
    now: datetime,
    trying: Rules | None = None,
) -> Verdict:
    """What policy says of one more payout; without a policy everything is denied. Writes nothing.

    Until the transaction ends no other request of the account is counted, so that both cannot fit alone.
    trying: rules to go by instead of those in force.
    """
    await payouts.serialize_spending(conn, account_id, token.id)
    policy = await policies.current(conn, account_id, livemode, token.id)
    rules = trying or (policy.rules if policy else None)
    roster = await approvals.roster_version(conn, account_id) or 0
    if rules is None:
        nobody: frozenset[Address] = frozenset()
        return Verdict(rulebook.NOTHING_ALLOWED, None, None, Facts(may_sign=0), roster, nobody)
    people = await signatories(conn, account_id, roster, rules, maker)
    ask = Ask(amount.to_money().units, destination, now)
    facts = await _facts(conn, account_id, livemode, token, ask, rules, len(people))
    policy_id = None if policy is None or trying else policy.id
    return Verdict(rulebook.decide(ask, facts, rules), policy_id, rules, facts, roster, people)


async def review(conn: Connection, payout: PayoutRow) -> Verdict | None:
    """What policy says now of a payout asked for earlier; None while nothing changed since it was decided.

    Sums and counts of the windows were settled when it was asked for; all else is looked at again.
    """
    policy = await policies.current(conn, payout.account_id, payout.livemode, payout.token_id)
    if policy is None or payout.policy_id is None:
        return None  # older than policies are data
    denied_by = await _denied_by(conn, payout.livemode, payout.destination, policy.rules)
    if policy.id == payout.policy_id and denied_by is None:
        return None
    token = await tokens.get(conn, payout.token_id)
    assert token is not None, "a payout's token is for ever"
    roster = await approvals.roster_version(conn, payout.account_id) or 0
    people = await signatories(conn, payout.account_id, roster, policy.rules, payout.maker)
    book = await destinations.of_addresses(
        conn, payout.account_id, payout.livemode, token.chain_id, [payout.destination]
    )
    facts = Facts(may_sign=len(people), denied_by=denied_by, **_known(book.get(payout.destination)))
    units = TokenAmount(payout.amount, token.asset).to_money().units
    decision = rulebook.decide(Ask(units, payout.destination, payout.created_at), facts, policy.rules)
    return Verdict(decision, policy.id, policy.rules, facts, roster, people)


async def voided(conn: Connection, rows: Sequence[PayoutRow]) -> frozenset[str]:
    """The ids of those payouts that must be decided anew before anything is signed for them."""
    ruling: dict[tuple[str, bool, str], str | None] = {}
    for account_id, livemode, token_id in {(p.account_id, p.livemode, p.token_id) for p in rows}:
        policy = await policies.current(conn, account_id, livemode, token_id)
        ruling[account_id, livemode, token_id] = policy.id if policy else None
    denied = {mode: await policies.operators_denylist(conn, mode) for mode in {p.livemode for p in rows}}
    return frozenset(
        p.id
        for p in rows
        if p.destination in denied[p.livemode]
        or (p.policy_id is not None and p.policy_id != ruling[p.account_id, p.livemode, p.token_id])
    )


async def _facts(
    conn: Connection, account_id: str, livemode: bool, token: Token, ask: Ask, rules: Rules, may_sign: int
) -> Facts:
    book = await destinations.of_addresses(
        conn, account_id, livemode, token.chain_id, [ask.destination]
    )  # fmt: skip
    counted = await payouts.asked_since(
        conn,
        account_id,
        token.id,
        destination=ask.destination,
        day=ask.at - DAY,
        window=ask.at - rules.window,
    )
    return Facts(
        may_sign=may_sign,
        spent_today=TokenAmount(counted.spent, token.asset).to_money().units,
        spent_on_destination=TokenAmount(counted.on_destination, token.asset).to_money().units,
        asked_in_window=counted.in_window,
        denied_by=await _denied_by(conn, livemode, ask.destination, rules),
        **_known(book.get(ask.destination)),
    )


def _known(entry: Destination | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {"known_since": entry.created_at, "verified": entry.verified_by is not None}


async def _denied_by(conn: Connection, livemode: bool, destination: Address, rules: Rules) -> str | None:
    if destination in rules.denylist:
        return "the account"
    return "the operator" if destination in await policies.operators_denylist(conn, livemode) else None


async def denied_by_any(
    conn: Connection, account_id: str, livemode: bool, destination: Address
) -> str | None:
    """Whose denylist names an address, of any token: the account's, the operator's, or None."""
    for policy_id in await policies.in_force(conn, account_id, livemode):
        policy = await policies.get(conn, policy_id)
        if policy is not None and destination in policy.rules.denylist:
            return "the account"
    return "the operator" if destination in await policies.operators_denylist(conn, livemode) else None
