"""How fast somebody may ask: a bucket that a request takes from and that time fills.

The arithmetic is that of the generic cell rate algorithm (ATM Forum, TM 4.0 §4.4.2): one number per bucket,
the moment at which it will be full again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

WINDOW_S = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """So many requests a second, ten seconds' worth of them at once. rate: at least 1."""

    name: str
    rate: int

    @property
    def quota(self) -> int:
        """How many requests a full bucket holds."""
        return self.rate * WINDOW_S

    def taken(self, full_at: float, now: float) -> float:
        """When the bucket will be full again, once one more request has been taken from it."""
        return max(full_at, now) + 1 / self.rate

    def wait_s(self, full_at: float, now: float) -> float:
        """How long until a request may be taken; 0 when one may now."""
        return max(0.0, round(self.taken(full_at, now) - now - WINDOW_S, 6))

    def left(self, full_at: float, now: float) -> int:
        """How many requests could be taken at once."""
        return min(self.quota, floor((now + WINDOW_S - max(full_at, now)) * self.rate + 1e-6))

    def told(self, full_at: float, now: float) -> tuple[str, str]:
        """The policy and its state as the fields RateLimit-Policy and RateLimit write them.

        Source: draft-ietf-httpapi-ratelimit-headers-10 §3 and §4.
        """
        filled_in = max(0, ceil(full_at - now))
        return (
            f'"{self.name}";q={self.quota};w={WINDOW_S}',
            f'"{self.name}";r={self.left(full_at, now)};t={filled_in}',
        )
