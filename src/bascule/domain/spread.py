"""How values of one kind are spread: how many were at most so large, and their sum."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)


@dataclass
class Spread:
    """Counts what it is told, by upper bounds in rising order; above the last they are counted too."""

    bounds: Sequence[float]
    total: float = 0.0
    _counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """One more."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, int]]:
        """(bound, how many were at most that), as Prometheus counts them; the last bound is +Inf."""
        shown, so_far = [], 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self._counts, strict=True):
            so_far += count
            shown.append((bound, so_far))
        return shown
