"""How a token in a vault stands against what is wanted of it. All amounts are base units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

RECENT: Final = timedelta(days=1)
LEAST_RUNWAY: Final = timedelta(hours=6)
CENTURY: Final = timedelta(days=36_525)  # more than that tells nobody anything, and may be no timedelta


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
        return self.missing > 0 or (self.runway is not None and self.runway < LEAST_RUNWAY)
