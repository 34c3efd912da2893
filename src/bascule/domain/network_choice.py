"""Which network pays, when whoever asks leaves that open: by float, then cost, then speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from bascule.domain.chain import ChainId, caip2

AUTO: Final = "auto"  # what stands for a network in a request that leaves it open
CENT: Final = Decimal("0.01")

By = Literal["only_one", "float", "cost", "speed", "order"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may pay now.

    covered: its float suffices for this payout beside all that waits; cost: of one payout lately, in money,
    None when nobody knows; seconds: how far its newest final block is behind its head.
    """

    chain_id: ChainId
    token_id: str
    covered: bool
    cost: Decimal | None
    seconds: int


@dataclass(frozen=True, slots=True)
class NetworkDecision:
    """The network that pays, what decided, and what was known of each."""

    chosen: Candidate
    by: By
    candidates: tuple[Candidate, ...]

    def shown(self) -> dict[str, Any]:
        """As it is stored with the payout."""
        return {
            "by": self.by,
            "reason": _REASONS[self.by],
            "candidates": [
                {
                    "network": caip2(each.chain_id),
                    "float_covers": each.covered,
                    "cost": None if each.cost is None else f"{each.cost:.4f}",
                    "seconds_to_final": each.seconds,
                }
                for each in self.candidates
            ],
        }


_REASONS: dict[By, str] = {
    "only_one": "No other network can pay it.",
    "float": "Elsewhere it would wait for float.",
    "cost": "It costs least here.",
    "speed": "It costs no more elsewhere to the cent, and is final soonest here.",
    "order": "All else is equal.",
}

# What decides, in this order; a smaller key is better.
_RULES: tuple[tuple[By, Callable[[Candidate], Any]], ...] = (
    ("float", lambda each: not each.covered),
    ("cost", lambda each: (each.cost is None, (each.cost or Decimal(0)).quantize(CENT))),
    ("speed", lambda each: each.seconds),
    ("order", lambda each: each.chain_id),
)


def choose(candidates: Sequence[Candidate]) -> NetworkDecision:
    """The best of at least one, whatever order they come in; no two of one network."""
    ranked = sorted(candidates, key=lambda each: tuple(rule(each) for _, rule in _RULES))
    return NetworkDecision(ranked[0], _decided(ranked), tuple(ranked))


def _decided(ranked: Sequence[Candidate]) -> By:
    """The first rule by which the best is better than the next."""
    if len(ranked) == 1:
        return "only_one"
    return next(name for name, rule in _RULES if rule(ranked[0]) != rule(ranked[1]))
