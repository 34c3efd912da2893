"""The time of a treasury under test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.support.money_out_setup import START


class StageClock:
    """Stands still until a test moves it; never behind the chain."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start
        self.head: Callable[[], int] = lambda: 0

    def now(self) -> datetime:
        return max(self.time, datetime.fromtimestamp(self.head(), UTC))

    def seconds(self) -> float:
        """For the chain, which minds its own head by itself."""
        return self.time.timestamp()

    def advance(self, step: timedelta) -> None:
        self.time = self.now() + step
