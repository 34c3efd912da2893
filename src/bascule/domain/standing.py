"""How a token in a vault stands against what is wanted of it. All amounts are base units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

RECENT: Final = timedelta(days=1)
LEAST_RUNWAY: Final = timedelta(hours=6)
ENOUGH_RUNWAY: Final = 2 * LEAST_RUNWAY  # what was asked for because too little was left is there
CENTURY: Final = timedelta(days=36_525)  # more than that tells nobody anything, and may be no timedelta


Reason = Literal["missing", "runway"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Base units that treasury is asked to send."""

    reason: Reason
    amount: int


@dataclass(frozen=True, slots=True)
class Standing:
    """held: booked in the vault; paying: in unfinished batches; waiting: approved, in none; given: to batches

    within `RECENT`.
    """

    held: int
    paying: int
    waiting: int
    given: int

    @property
    def available(self) -> int:
        """What may be given to batches now."""
        return max(0, self.held - self.paying)

    @property
    def missing(self) -> int:
        """What the vault lacks to pay all of it; 0 when it lacks nothing."""
        return max(0, self.waiting + self.paying - self.held)

    @property
    def runway(self) -> timedelta | None:
        """How long the rest lasts at the last day's rate, at most `CENTURY`; None when nothing was paid."""
        return None if self.given == 0 else RECENT * min(self.available / self.given, CENTURY / RECENT)

    @property
    def low(self) -> bool:
        """Whether payouts wait for it, or soon will."""
        return self.missing > 0 or self.lasts_less_than(LEAST_RUNWAY)

    @property
    def wanted(self) -> Wanted | None:
        """What treasury is to send now, and why: what is missing, else what makes the rest last a day."""
        if self.missing:
            return Wanted("missing", self.missing)
        if self.lasts_less_than(LEAST_RUNWAY):
            return Wanted("runway", self.given - self.available)
        return None

    def settles(self, reason: Reason) -> bool:
        """Whether what was asked for is there, or not needed any more."""
        if reason == "missing":
            return not self.missing
        return not self.missing and not self.lasts_less_than(ENOUGH_RUNWAY)

    def lasts_less_than(self, time: timedelta) -> bool:
        """Whether it is used up before then, as things go."""
        return self.runway is not None and self.runway < time
