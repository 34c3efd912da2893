"""How long a wallet can pay for gas, and how much coin fills it up. All amounts are wei."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bascule.domain.chain import Address

# The lane `CHAIN/gas` sends the coin; its wallet bears the same name.
LANE: Final = "gas"
TRANSFER_GAS = 21_000  # of a transfer of coin to an address without code (EIP-2028)

LEAST_RUNWAY = timedelta(hours=6)
FILLED_FOR = timedelta(days=1)
RECENT = timedelta(days=1)
# Spending is not taken for a rate over less than this: one batch alone would look like a flood.
LEAST_SPAN = timedelta(hours=1)
RETRY_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tank:
    """How a wallet stands. full_cost: of one full transaction of its lane at the ceiling."""

    wallet: Address
    name: str
    balance: int
    block_number: int
    full_cost: int
    spent: int
    spent_since: datetime
    seen_at: datetime

    @property
    def runway(self) -> timedelta | None:
        """How long the balance lasts at the rate of its recent spending; None when it spent nothing."""
        if self.spent == 0:
            return None
        seconds = self.balance * self._span.total_seconds() / self.spent
        return timedelta(seconds=min(seconds, timedelta.max.total_seconds() / 2))

    @property
    def short(self) -> bool:
        """Whether it cannot pay one full transaction at the ceiling, or runs dry soon."""
        return self.balance < self.full_cost or (self.runway is not None and self.runway < LEAST_RUNWAY)

    @property
    def missing(self) -> int:
        """What fills it up to two full transactions and a day's spending; 0 while it is not short."""
        a_day = int(self.spent * (FILLED_FOR / self._span))
        return max(0, 2 * self.full_cost + a_day - self.balance) if self.short else 0

    @property
    def _span(self) -> timedelta:
        return max(LEAST_SPAN, self.seen_at - self.spent_since)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one route allows. sent: along it within a day, with what is on its way."""

    max_per_item: int
    max_per_day: int
    sent: int

    def allowed(self, wanted: int) -> int:
        """As much of it as may go now."""
        return max(0, min(wanted, self.max_per_item, self.max_per_day - self.sent))
