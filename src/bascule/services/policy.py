"""Facts for policy: what rules, what the account has asked for, who may sign; and the decision on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bascule.domain import policy as rulebook
from bascule.domain.chain import Address
from bascule.domain.money import TokenAmount
from bascule.domain.policy import DAY, Ask, Decision, Facts, Rules, Tier
from bascule.services.signatories import signatories
from bascule.storage import approvals, mandates, payout_batches, policies, spending, tokens
from bascule.storage import destinations as address_book
from bascule.storage.database import Connection
from bascule.storage.destinations import Destination
from bascule.storage.payouts import PayoutRow, WaitingRow
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


@dataclass
class Bench:
    """All that is needed to judge payouts of one account and token, one after the other.

    Until the transaction ends no other request of the account is counted, so that both cannot fit alone.
    """

    token: Token
    policy_id: str | None
    rules: Rules | None
    roster_version: int
    may_sign: frozenset[Address]
    now: datetime
    denied: Mapping[Address, str]
    book: Mapping[Address, Destination]
    spent: int
    on_destination: dict[Address, int]
    in_window: int

    def judge(self, amount: TokenAmount, destination: Address) -> Verdict:
        """What policy says of one more payout; without a policy everything is denied."""
        if self.rules is None:
            nothing = Facts(may_sign=0)
            return Verdict(rulebook.NOTHING_ALLOWED, None, None, nothing, self.roster_version, frozenset())
        facts = Facts(
            may_sign=len(self.may_sign),
            spent_today=self.spent,
            spent_on_destination=self.on_destination.get(destination, 0),
            asked_in_window=self.in_window,
            denied_by=self.denied.get(destination),
            **_known(self.book.get(destination)),
        )
        decision = rulebook.decide(Ask(amount.to_money().units, destination, self.now), facts, self.rules)
        return Verdict(decision, self.policy_id, self.rules, facts, self.roster_version, self.may_sign)

    def count(self, amount: TokenAmount, destination: Address) -> None:
        """One more payout is asked for: those after it are judged with it."""
        units = amount.to_money().units
        self.spent += units
        self.on_destination[destination] = self.on_destination.get(destination, 0) + units
        self.in_window += 1


async def bench(
    conn: Connection,
    *,
    account_id: str,
    livemode: bool,
    token: Token,
    destinations: Collection[Address],
    maker: Address | None,
    now: datetime,
    trying: Rules | None = None,
) -> Bench:
    """The facts about an account, a token and some addresses; nothing is written.

    trying: rules to go by instead of those in force.
    """
    await spending.serialize_spending(conn, account_id, token.id)
    policy = await policies.current(conn, account_id, livemode, token.id)
    rules = trying or (policy.rules if policy else None)
    roster = await approvals.roster_version(conn, account_id) or 0
    window = rules.window if rules else DAY
    whose = (account_id, livemode, token.id)
    counted = await spending.asked_since(conn, *whose, day=now - DAY, window=now - window)
    to_each = await spending.asked_of(conn, *whose, destinations, now - DAY)
    return Bench(
        token=token,
        policy_id=None if policy is None or trying else policy.id,
        rules=rules,
        roster_version=roster,
        may_sign=await signatories(conn, account_id, roster, rules, maker),
        now=now,
        denied=await _denied(conn, livemode, rules),
        book=await address_book.of_addresses(conn, account_id, livemode, token.chain_id, destinations),
        spent=TokenAmount(counted.spent, token.asset).to_money().units,
        on_destination={
            to: TokenAmount(units, token.asset).to_money().units for to, units in to_each.items()
        },
        in_window=counted.in_window,
    )


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
    """What policy says of one payout; as `bench`."""
    judging = await bench(
        conn, account_id=account_id, livemode=livemode, token=token, destinations=[destination], maker=maker,
        now=now, trying=trying,
    )  # fmt: skip
    return judging.judge(amount, destination)


async def review(conn: Connection, payout: PayoutRow) -> Verdict | None:
    """What policy says now of a payout asked for earlier; None while nothing changed since it was decided.

    Sums and counts of the windows were settled when it was asked for; all else is looked at again.
    """
    policy = await policies.current(conn, payout.account_id, payout.livemode, payout.token_id)
    denied_by = (await _denied(conn, payout.livemode, policy.rules if policy else None)).get(
        payout.destination
    )
    # one that is older than policies are data is decided anew by a denylist alone
    unchanged = payout.policy_id is None or policy is None or policy.id == payout.policy_id
    if unchanged and denied_by is None:
        return None
    token = await tokens.get(conn, payout.token_id)
    assert token is not None, "a payout's token is for ever"
    roster = await approvals.roster_version(conn, payout.account_id) or 0
    rules = policy.rules if policy else Rules(approvals=(Tier(0, payout.approvals_required),))
    people = await signatories(conn, payout.account_id, roster, rules, payout.maker)
    book = await address_book.of_addresses(
        conn, payout.account_id, payout.livemode, token.chain_id, [payout.destination]
    )
    facts = Facts(may_sign=len(people), denied_by=denied_by, **_known(book.get(payout.destination)))
    units = TokenAmount(payout.amount, token.asset).to_money().units
    decision = rulebook.decide(Ask(units, payout.destination, payout.created_at), facts, rules)
    if payout.batch_id is not None:
        together = await _required_together(conn, payout.batch_id, token, rules)
        decision = replace(decision, approvals_required=max(decision.approvals_required, together))
    return Verdict(decision, policy.id if policy else None, rules, facts, roster, people)


async def _required_together(conn: Connection, batch_id: str, token: Token, rules: Rules) -> int:
    """How many people the batch's sum of a token needs: dividing it into payouts lowers nothing."""
    batch = await payout_batches.get(conn, batch_id)
    total = 0 if batch is None or batch.totals is None else batch.totals.get(Address(token.contract), 0)
    return rules.required(TokenAmount(total, token.asset).to_money().units)


async def voided(conn: Connection, rows: Sequence[WaitingRow]) -> frozenset[str]:
    """The ids of those payouts that must be decided anew before anything is signed for them."""
    if not rows:
        return frozenset()
    ruling, denied = await policies.ruling(conn, {(p.account_id, p.livemode, p.token_id) for p in rows})
    named = {p.mandate_id for p in rows if p.mandate_id is not None}
    active = await mandates.active(conn, named) if named else frozenset()
    return frozenset(
        p.id
        for p in rows
        if (p.livemode, p.destination) in denied
        or (p.mandate_id is not None and p.mandate_id not in active)
        or (p.policy_id is not None and p.policy_id != ruling.get((p.account_id, p.livemode, p.token_id)))
    )


def _known(entry: Destination | None) -> dict[str, Any]:
    if entry is None:
        return {}
    return {"known_since": entry.created_at, "verified": entry.verified_by is not None}


async def _denied(conn: Connection, livemode: bool, rules: Rules | None) -> dict[Address, str]:
    """Whose denylist names an address: the account's own goes before the operator's."""
    operators = await policies.operators_denylist(conn, livemode)
    own = rules.denylist if rules else frozenset()
    return dict.fromkeys(operators, "the operator") | dict.fromkeys(own, "the account")


async def denied_by_any(
    conn: Connection, account_id: str, livemode: bool, destination: Address
) -> str | None:
    """Whose denylist names an address, of any token: the account's, the operator's, or None."""
    for policy_id in await policies.in_force(conn, account_id, livemode):
        policy = await policies.get(conn, policy_id)
        if policy is not None and destination in policy.rules.denylist:
            return "the account"
    return "the operator" if destination in await policies.operators_denylist(conn, livemode) else None
