"""The seams every service takes through its constructor: time and randomness.

Nothing above the domain reads a clock or a random source by itself; a test replaces both here.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Protocol

from bascule.domain import ids


class Clock(Protocol):
    """Says what time it is: always aware, always UTC."""

    def now(self) -> datetime: ...


class Entropy(Protocol):
    """Gives bytes nobody can guess."""

    def bytes(self, n: int) -> bytes: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SystemEntropy:
    """The random source of the operating system."""

    def bytes(self, n: int) -> bytes:
        return secrets.token_bytes(n)


def new_id(prefix: str, clock: Clock, entropy: Entropy) -> str:
    """A fresh id `<prefix>_<26 characters>` that sorts by the clock's time, to the millisecond."""
    return ids.new(prefix, int(clock.now().timestamp() * 1000), entropy.bytes(ids.ENTROPY_BYTES))


def new_ids(prefix: str, clock: Clock, entropy: Entropy, count: int) -> list[str]:
    """So many ids as `new_id` makes, of one moment: clock and random source are asked once for all."""
    now_ms, size = int(clock.now().timestamp() * 1000), ids.ENTROPY_BYTES
    drawn = entropy.bytes(size * count)
    return [ids.new(prefix, now_ms, drawn[start : start + size]) for start in range(0, size * count, size)]
