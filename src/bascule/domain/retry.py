"""How long to wait before trying again."""

from dataclasses import dataclass

JITTER_SHARE = 0.1
_DOUBLINGS_MAX = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first_s` up to `longest_s` seconds."""

    first_s: float
    longest_s: float

    def __post_init__(self) -> None:
        assert 0 < self.first_s <= self.longest_s, "0 < first_s <= longest_s"

    def delay_s(self, failures: int, jitter: float = 0.0) -> float:
        """Seconds to wait after `failures` failures in a row, counted from 1.

        jitter: from -1 to 1, moves the wait by up to 10 % so that workers do not march in step.
        """
        assert failures >= 1, "a wait follows a failure"
        doubled = self.first_s * 2 ** min(failures - 1, _DOUBLINGS_MAX)
        return jittered(min(self.longest_s, doubled), jitter)


def jittered(delay_s: float, jitter: float) -> float:
    """The delay moved by up to 10 %. jitter: from -1 to 1."""
    assert -1 <= jitter <= 1, "jitter from -1 to 1"
    return delay_s * (1 + JITTER_SHARE * jitter)
