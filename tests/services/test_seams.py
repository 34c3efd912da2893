from datetime import UTC, datetime, timedelta

from bascule.services.seams import SystemClock, SystemEntropy, new_id


class StoppedClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def test_ids_sort_by_the_time_they_were_made() -> None:
    clock, entropy = StoppedClock(datetime(2026, 11, 21, tzinfo=UTC)), SystemEntropy()
    made = []
    for _ in range(50):
        clock.at += timedelta(milliseconds=1)
        made.append(new_id("pi", clock, entropy))
    assert made == sorted(made)
    assert len(set(made)) == 50


def test_the_system_clock_speaks_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_entropy_gives_the_length_asked_for() -> None:
    assert len(SystemEntropy().bytes(17)) == 17
