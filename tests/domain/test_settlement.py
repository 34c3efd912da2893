"""When an asset is settled, and how much of it: nothing twice, and never into the reserve."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Rejected
from bascule.domain.settlement import WEEKDAYS, Funds, Interval, Reserve, Schedule, takes

START = datetime(2026, 11, 22, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=5_000)).map(lambda passed: START + passed)
SCHEDULES = st.one_of(
    st.builds(Schedule, st.just(Interval.DAILY), hour=st.integers(0, 23)),
    st.builds(Schedule, st.just(Interval.WEEKLY), weekday=st.sampled_from(WEEKDAYS), hour=st.integers(0, 23)),
    st.builds(Schedule, st.just(Interval.THRESHOLD), threshold=st.integers(1, 500)),
)
LONGEST = {
    Interval.DAILY: timedelta(days=1),
    Interval.WEEKLY: timedelta(days=7),
    Interval.THRESHOLD: timedelta(minutes=10),
}


@given(SCHEDULES, MOMENTS)
def test_next_due_time_is_the_first_after_a_moment_and_moments_before_it_agree(
    schedule: Schedule, moment: datetime
) -> None:
    due = schedule.next_after(moment)
    assert due is not None
    assert timedelta(0) < due - moment <= LONGEST[schedule.interval]
    assert schedule.next_after(due - timedelta(microseconds=1)) == due
    following = schedule.next_after(due)
    assert following == due + LONGEST[schedule.interval]


def test_weekly_is_due_on_its_weekday_at_its_hour() -> None:
    weekly = Schedule(Interval.WEEKLY, weekday="monday", hour=6)
    friday = datetime(2027, 1, 1, 12, tzinfo=UTC)
    assert weekly.next_after(friday) == datetime(2027, 1, 4, 6, tzinfo=UTC)
    assert Schedule(Interval.MANUAL).next_after(friday) is None


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"interval": Interval.WEEKLY}, "weekday"),
        ({"interval": Interval.WEEKLY, "weekday": "someday"}, "weekday"),
        ({"interval": Interval.DAILY, "weekday": "monday"}, "weekday"),
        ({"interval": Interval.DAILY, "threshold": 1}, "threshold"),
        ({"interval": Interval.THRESHOLD}, "threshold"),
        ({"interval": Interval.DAILY, "hour": 24}, "hour"),
    ],
)
def test_schedule_that_lacks_or_has_too_much_names_what(said: dict[str, object], param: str) -> None:
    with pytest.raises(Rejected) as refused:
        Schedule(**said)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.param) == ("schedule_invalid", param)


@dataclass
class Purse:
    """An account's money in one asset, and its settlements by what became of each."""

    came: int = 0
    promised: dict[int, int] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    settled: dict[int, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return self.came - sum(self.held.values()) - sum(self.settled.values())


@given(
    st.data(),
    st.lists(st.sampled_from(["pay in", "fall due", "approve", "pay out", "fail", "expire"]), max_size=60),
)
def test_whatever_comes_and_fails_nothing_is_settled_twice_and_the_reserve_stays(
    data: st.DataObject, acts: list[str]
) -> None:
    """Σ settled, held and available is what came, after every act of a random history."""
    reserve = Reserve(data.draw(st.integers(0, 50)), data.draw(st.integers(0, 10_000)))
    minimum = data.draw(st.integers(0, 50))
    purse, period = Purse(), 0
    for act in acts:
        match act:
            case "pay in":
                purse.came += data.draw(st.integers(1, 100))
            case "fall due":
                funds = Funds(purse.available, sum(purse.promised.values()))
                amount = takes(funds, reserve=reserve, least=minimum)
                assert amount == 0 or amount >= max(1, minimum)
                left = funds.available - funds.promised - amount
                assert not amount or left * 10_000 >= funds.available * reserve.bps
                if amount:
                    period += 1
                    purse.promised[period] = amount
            case "approve" if purse.promised:
                each = data.draw(st.sampled_from(sorted(purse.promised)))
                purse.held[each] = purse.promised.pop(each)
            case "expire" if purse.promised:
                purse.promised.pop(data.draw(st.sampled_from(sorted(purse.promised))))
            case "pay out" if purse.held:
                each = data.draw(st.sampled_from(sorted(purse.held)))
                purse.settled[each] = purse.held.pop(each)
            case "fail" if purse.held:
                purse.held.pop(data.draw(st.sampled_from(sorted(purse.held))))
        taken = purse.promised, purse.held, purse.settled
        assert sum(len(each) for each in taken) == len({n for each in taken for n in each})
        assert purse.available - sum(purse.promised.values()) >= min(reserve.units, purse.came)
        assert purse.available + sum(purse.held.values()) + sum(purse.settled.values()) == purse.came
