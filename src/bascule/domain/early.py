"""How early an intent may succeed: by how much its money is certain before it is final, within a bound.

A level is a weaker word than the network's own finality. It decides when a merchant is told, never when money
is booked. An intent has one amount, so it has one level; a merchant's tiers say which, by amount.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bascule.domain.errors import Rejected
from bascule.domain.finality import FinalityPolicy

FINAL = FinalityPolicy("finalized")  # final as the network has it, booked: nothing is early
MOST_TIERS = 10
_DEPTH = re.compile(r"depth:(0|[1-9][0-9]{0,3})")
_ORDER = {"depth": 0, "safe": 1, "finalized": 2}


def read_level(text: str, param: str) -> FinalityPolicy:
    """`depth:N` (N blocks on top, 0 to 9999), `safe` or `finalized`. Raises: Rejected, naming `param`."""
    if match := _DEPTH.fullmatch(text):
        return FinalityPolicy("depth", int(match[1]))
    if text == "safe":
        return FinalityPolicy("safe")
    if text == "finalized":
        return FINAL
    raise Rejected("parameter_invalid", "One of depth:N (N from 0 to 9999), safe, finalized.", param=param)


def spell(level: FinalityPolicy) -> str:
    """The level as `read_level` reads it."""
    return f"depth:{level.depth}" if level.kind == "depth" else level.kind


def on_network(level: FinalityPolicy, network: FinalityPolicy) -> FinalityPolicy:
    """What decides on one network: the level, or the network's finality where that is reached first."""
    if level.kind == network.kind == "depth":
        return min(level, network, key=lambda each: each.depth)
    return network if level == FINAL else level


@dataclass(frozen=True, slots=True)
class Tier:
    """Amounts up to `up_to` (10^-18 of any currency) are certain enough at `level`."""

    up_to: int
    level: FinalityPolicy


@dataclass(frozen=True, slots=True)
class EarlyPolicy:
    """What an operator lets one merchant do. most: the largest amount that may succeed early, 10^-18 units.

    tiers: of intents that name no level; amounts rise, and a larger one waits for more. Raises: Rejected.
    """

    most: int = 0
    tiers: Sequence[Tier] = ()

    def __post_init__(self) -> None:
        if len(self.tiers) > MOST_TIERS:
            raise Rejected("parameter_invalid", f"At most {MOST_TIERS} tiers.", param="tiers")
        before: Tier | None = None
        for tier in self.tiers:
            if tier.level == FINAL:
                raise Rejected(
                    "parameter_invalid", "A tier is for what is earlier than final.", param="tiers"
                )
            if tier.up_to > self.most:
                raise Rejected(
                    "parameter_invalid", "A tier is within the largest early amount.", param="tiers"
                )
            if before is not None and not (before.up_to < tier.up_to and _rank(before) < _rank(tier)):
                raise Rejected(
                    "parameter_invalid",
                    "A tier is for more than the one before, and waits longer.",
                    param="tiers",
                )
            before = tier

    def level(self, due: int, asked: FinalityPolicy | None, param: str) -> FinalityPolicy:
        """At which level an intent of `due` succeeds. Raises: Rejected when `asked` is too early."""
        if asked is None:
            return next((tier.level for tier in self.tiers if due <= tier.up_to), FINAL)
        if asked != FINAL and due > self.most:
            raise Rejected(
                "parameter_invalid",
                "An amount this large waits until it is final."
                if self.most
                else "The operator has not allowed this account anything earlier than finalized.",
                param=param,
            )
        return asked


def _rank(tier: Tier) -> tuple[int, int]:
    return _ORDER[tier.level.kind], tier.level.depth
