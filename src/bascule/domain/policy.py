"""May this payout be made, and how many people must agree."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """What an account allows of one token. Amounts in the token's base units."""

    approvals_required: int
    max_per_payout: int
    max_per_day: int

    def __post_init__(self) -> None:
        assert self.approvals_required >= 1, "no payout without a person"


@dataclass(frozen=True, slots=True)
class Decision:
    """What policy says. rule: the one that decided; reasons: one sentence for each broken limit."""

    outcome: Literal["allow", "deny"]
    approvals_required: int
    rule: str
    reasons: tuple[str, ...]


def decide(amount: int, spent_today: int, limits: Limits) -> Decision:
    """Allow a payout that is within every limit, else deny it and name each limit it breaks.

    spent_today: base units of the account's other payouts of this token in the last 24 hours that
    are paid or may still be. A limit itself is allowed, one base unit more is not.
    """
    broken: list[tuple[str, str]] = []
    if amount > limits.max_per_payout:
        broken.append(("max_per_payout", f"{amount} is more than {limits.max_per_payout} per payout."))
    if spent_today + amount > limits.max_per_day:
        total = f"{amount} on top of {spent_today}"
        broken.append(("max_per_day", f"{total} is more than {limits.max_per_day} in 24 hours."))
    if broken:
        return Decision("deny", limits.approvals_required, broken[0][0], tuple(why for _, why in broken))
    return Decision("allow", limits.approvals_required, "within_limits", ())
