"""May this payout be made, how many people must agree, and who: rules are data, decisions name the rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from bascule.domain import acts_next
from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.errors import Rejected
from bascule.domain.money import SCALE, display_units, parse_amount

DAY = timedelta(hours=24)
APPROVAL_LIFE = timedelta(days=3)


_CENTURY = 3_155_760_000  # seconds

Allowed = Literal["any", "allowlist", "verified"]


class Rule(StrEnum):
    """Everything that can decide, the gravest first."""

    NO_POLICY = "no_policy"
    DENYLIST = "denylist"
    DESTINATIONS = "destinations"
    COOL_OFF = "cool_off_seconds"
    MAX_PER_PAYOUT = "max_per_payout"
    MAX_PER_DAY = "max_per_day"
    MAX_PER_DESTINATION = "max_per_destination_per_day"
    VELOCITY = "velocity"
    APPROVERS = "approvers"
    MANDATE = "mandate"
    WITHIN_LIMITS = "within_limits"

    @property
    def code(self) -> str:
        """The API's word for being denied by it."""
        return _CODES[self]

    @property
    def param(self) -> str | None:
        """The parameter of the request that broke it."""
        if self in (Rule.DENYLIST, Rule.DESTINATIONS, Rule.COOL_OFF):
            return "to"
        return None if self in (Rule.VELOCITY, Rule.APPROVERS) else "amount"


_CODES = {
    Rule.NO_POLICY: "payout_not_allowed",
    Rule.DENYLIST: "destination_denylisted",
    Rule.DESTINATIONS: "destination_not_allowed",
    Rule.COOL_OFF: "destination_in_cooloff",
    Rule.MAX_PER_PAYOUT: "limit_exceeded",
    Rule.MAX_PER_DAY: "limit_exceeded",
    Rule.MAX_PER_DESTINATION: "limit_exceeded",
    Rule.VELOCITY: "velocity_exceeded",
    Rule.APPROVERS: "approvers_missing",
}


@dataclass(frozen=True, slots=True)
class Tier:
    """So many people must agree to more than `above` (10^-18 of the currency)."""

    above: int
    required: int


@dataclass(frozen=True, slots=True)
class Velocity:
    """At most `count` payouts asked for in any `seconds`."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Rules:
    """One version of a policy. Amounts in 10^-18 of the currency; None: no such limit.

    approvals: tiers by rising `above`, the first above nothing; approvers: who of the roster may sign, all of
    it when empty; denylist: addresses that are never paid; destinations: whether an address must be in the
    address book, and verified there; cool_off_seconds: for how long before the first payout.
    """

    approvals: tuple[Tier, ...]
    max_per_payout: int | None = None
    max_per_day: int | None = None
    max_per_destination_per_day: int | None = None
    velocity: Velocity | None = None
    approval_seconds: int = int(APPROVAL_LIFE.total_seconds())
    approvers: frozenset[Address] = frozenset()
    denylist: frozenset[Address] = frozenset()
    destinations: Allowed = "any"
    cool_off_seconds: int = 0

    def __post_init__(self) -> None:
        above = [tier.above for tier in self.approvals]
        if not above or above[0] != 0 or above != sorted(set(above)):
            raise _wrong("approvals", "Tiers begin above 0.00 and rise, each once.")
        if any(tier.required < 1 for tier in self.approvals):
            raise _wrong("approvals", "No payout without a person: at least one approval.")

    def required(self, amount: int) -> int:
        """How many people must agree to this amount, which is more than nothing."""
        return max(tier.required for tier in self.approvals if tier.above < amount)

    @property
    def window(self) -> timedelta:
        """The time in which velocity counts."""
        return timedelta(seconds=self.velocity.seconds) if self.velocity else timedelta(0)

    @property
    def approval_life(self) -> timedelta:
        """How long a round of approvals is open."""
        return timedelta(seconds=self.approval_seconds)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for. amount: 10^-18 of the currency."""

    amount: int
    destination: Address
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What the account asked for besides, not called off and not failed, of the same token.

    may_sign: people whose approval counts; spent_today, spent_on_destination: in the last 24 hours, 10^-18 of
    the currency; asked_in_window: payouts in the velocity's time; denied_by: whose denylist names
    it; known_since, verified: what the address book says of it, None where it is not there.
    """

    may_sign: int
    spent_today: int = 0
    spent_on_destination: int = 0
    asked_in_window: int = 0
    denied_by: str | None = None
    known_since: datetime | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy says. rule: the one that decided; reasons: one sentence for each broken rule."""

    outcome: Literal["allow", "deny"]
    approvals_required: int
    rule: Rule
    reasons: tuple[str, ...] = field(default=())

    def require(self) -> None:
        """Raises: Rejected with the rule's code when denied."""
        if self.outcome == "deny":
            raise Rejected(
                self.rule.code,
                " ".join(self.reasons),
                param=self.rule.param,
                next_step=f"The rule is {self.rule}; see GET /v1/policies.",
            )

    def shown(self, approvers: frozenset[Address] | None) -> dict[str, Any]:
        """As kept beside the payout and shown with it, with who must act next.

        approvers: people whose approval counts for it; None where a mandate carries it.
        """
        if self.outcome == "deny":
            turn = acts_next.NOBODY
        elif approvers is None:
            turn = acts_next.SUBMITTER
        else:
            turn = acts_next.people(approvers, self.approvals_required)
        return acts_next.record(self.rule.value, self.reasons, turn)


# What rules where rows of a policy say nothing that can be read: no payout at all.
UNREADABLE = Rules(approvals=(Tier(0, 1),), max_per_payout=0)

NOTHING_ALLOWED = Decision(
    "deny", 1, Rule.NO_POLICY, ("No policy allows this account to pay out this token.",)
)


def decide(ask: Ask, facts: Facts, rules: Rules) -> Decision:
    """Allow what breaks no rule, else deny it and name each rule it breaks, the gravest first.

    A limit itself is allowed, one base unit more is not.
    """
    broken = [(rule, why) for rule, why in _checks(ask, facts, rules) if why is not None]
    required = rules.required(ask.amount)
    if broken:
        return Decision("deny", required, broken[0][0], tuple(why for _, why in broken))
    needs = f"{spelled(ask.amount)} needs {required} approval{'s' if required > 1 else ''}."
    return Decision("allow", required, Rule.WITHIN_LIMITS, (needs,))


def _checks(ask: Ask, facts: Facts, rules: Rules) -> list[tuple[Rule, str | None]]:
    day = facts.spent_today + ask.amount
    to_one = facts.spent_on_destination + ask.amount
    return [
        (Rule.DENYLIST, _denied(facts, ask)),
        (Rule.DESTINATIONS, _not_listed(ask, facts, rules.destinations)),
        (Rule.COOL_OFF, _too_new(ask, facts, rules.cool_off_seconds)),
        (Rule.MAX_PER_PAYOUT, _above(ask.amount, rules.max_per_payout, "in one payout")),
        (Rule.MAX_PER_DAY, _above(day, rules.max_per_day, "in 24 hours")),
        (
            Rule.MAX_PER_DESTINATION,
            _above(to_one, rules.max_per_destination_per_day, "to one address in 24 hours"),
        ),
        (Rule.VELOCITY, _too_many(facts.asked_in_window, rules.velocity)),
        (Rule.APPROVERS, _too_few(facts.may_sign, rules.required(ask.amount))),
    ]


def _denied(facts: Facts, ask: Ask) -> str | None:
    if facts.denied_by is None:
        return None
    return f"{checksum(ask.destination)} is on {facts.denied_by}'s denylist."


def _not_listed(ask: Ask, facts: Facts, mode: Allowed) -> str | None:
    if mode == "any" or (facts.known_since is not None and (mode == "allowlist" or facts.verified)):
        return None
    lacks = "is not in the address book" if facts.known_since is None else "is in the address book unverified"
    return f"{checksum(ask.destination)} {lacks}."


def _too_new(ask: Ask, facts: Facts, seconds: int) -> str | None:
    if seconds == 0:
        return None
    if facts.known_since is None:
        return f"{checksum(ask.destination)} is not in the address book; it must be for {seconds} seconds."
    ready = facts.known_since + timedelta(seconds=seconds)
    if ask.at >= ready:
        return None
    return f"{checksum(ask.destination)} is too new; it may be paid from {ready:%Y-%m-%dT%H:%M:%SZ} on."


def _above(total: int, limit: int | None, where: str) -> str | None:
    if limit is None or total <= limit:
        return None
    return f"{spelled(total)} would be paid {where}; the limit is {spelled(limit)}."


def _too_many(asked: int, velocity: Velocity | None) -> str | None:
    if velocity is None or asked < velocity.count:
        return None
    return f"{asked} payouts were asked for in {velocity.seconds} seconds; the limit is {velocity.count}."


def _too_few(may_sign: int, required: int) -> str | None:
    if may_sign >= required:
        return None
    return f"{required} people must agree, but {may_sign} may sign; who asked is not among them."


def spelled(units: int) -> str:
    return display_units(units, SCALE)


# ── as data ──


def write(rules: Rules) -> dict[str, Any]:
    """The rules as JSON, every one of them by name; amounts with six digits."""
    return {
        "approvals": [{"above": spelled(tier.above), "required": tier.required} for tier in rules.approvals],
        "max_per_payout": _maybe(rules.max_per_payout),
        "max_per_day": _maybe(rules.max_per_day),
        "max_per_destination_per_day": _maybe(rules.max_per_destination_per_day),
        "velocity": None
        if rules.velocity is None
        else {"count": rules.velocity.count, "seconds": rules.velocity.seconds},
        "approval_seconds": rules.approval_seconds,
        "approvers": [checksum(each) for each in sorted(rules.approvers)],
        "denylist": [checksum(each) for each in sorted(rules.denylist)],
        "destinations": rules.destinations,
        "cool_off_seconds": rules.cool_off_seconds,
    }


def read(data: Mapping[str, Any]) -> Rules:
    """The rules that `data` spells; what is not named is not limited. Raises: Rejected, naming the rule."""
    velocity = data.get("velocity")
    return Rules(
        approvals=tuple(
            Tier(
                _amount(tier["above"], f"approvals.{place}.above", zero=True),
                _whole(tier["required"], f"approvals.{place}.required"),
            )
            for place, tier in enumerate(data["approvals"])
        ),
        max_per_payout=_limit(data, "max_per_payout"),
        max_per_day=_limit(data, "max_per_day"),
        max_per_destination_per_day=_limit(data, "max_per_destination_per_day"),
        velocity=None
        if velocity is None
        else Velocity(
            _whole(velocity["count"], "velocity.count"),
            _whole(velocity["seconds"], "velocity.seconds"),
        ),
        approval_seconds=_whole(
            data.get("approval_seconds", int(APPROVAL_LIFE.total_seconds())), "approval_seconds"
        ),
        approvers=_addresses(data, "approvers"),
        denylist=_addresses(data, "denylist"),
        destinations=_allowed(data.get("destinations", "any")),
        cool_off_seconds=_whole(data.get("cool_off_seconds", 0), "cool_off_seconds", least=0),
    )


def _whole(number: object, param: str, *, least: int = 1) -> int:
    """Counts and seconds; no more than a century of them, so that dates stay dates."""
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= _CENTURY:
        raise _wrong(param, f"A whole number from {least} to {_CENTURY}.")
    return number


def _allowed(name: object) -> Allowed:
    if name == "any" or name == "allowlist" or name == "verified":
        return name
    raise _wrong("destinations", "One of any, allowlist and verified.")


def _maybe(units: int | None) -> str | None:
    return None if units is None else spelled(units)


def _limit(data: Mapping[str, Any], name: str) -> int | None:
    text = data.get(name)
    return None if text is None else _amount(text, name)


def _amount(text: object, param: str, *, zero: bool = False) -> int:
    if zero and text in ("0.00", "0.000000"):
        return 0
    return parse_amount(text, "", param=param).units


def _addresses(data: Mapping[str, Any], name: str) -> frozenset[Address]:
    found = [parse_address(text, param=f"{name}.{place}") for place, text in enumerate(data.get(name) or ())]
    return frozenset(found)


def _wrong(param: str, message: str) -> Rejected:
    return Rejected("policy_invalid", message, param=param)
