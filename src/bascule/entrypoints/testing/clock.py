"""The time of a test: the machine's, moved on when the test or its chain moves on, never back."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class TestClock:
    """Services and chain of one test read this clock, so that they agree."""

    __test__ = False

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def seconds(self) -> float:
        """Unix seconds."""
        return time.time() + self._ahead_s

    def now(self) -> datetime:
        """The same moment, in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def advance(self, seconds: float) -> None:
        """Moves time on. Raises: ValueError when that would be backwards."""
        if seconds < 0:
            raise ValueError("time only moves on: seconds must not be negative")
        self._ahead_s += seconds

    def reach(self, moment: float) -> None:
        """It is at least `moment` (Unix seconds) from now on."""
        self._ahead_s = max(self._ahead_s, moment - time.time())
