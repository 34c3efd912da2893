"""No order of requests lets more through than the bucket and the time since have room for."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.pace import WINDOW_S, Pace


@given(st.integers(1, 50), st.lists(st.floats(0, 5), max_size=400))
def test_never_more_is_taken_than_a_full_bucket_and_what_time_filled(rate: int, gaps: list[float]) -> None:
    pace, now, full_at, taken = Pace("key", rate), 1_000.0, 0.0, 0
    for gap in gaps:
        now += gap
        if pace.wait_s(full_at, now) == 0:
            full_at, taken = pace.taken(full_at, now), taken + 1
        assert 0 <= pace.left(full_at, now) <= pace.quota

    assert taken <= pace.quota + (now - 1_000.0) * rate + 1


@given(st.integers(1, 1_000), st.floats(0, 1e9))
def test_who_waits_as_long_as_told_is_let_through(rate: int, now: float) -> None:
    pace, full_at = Pace("key", rate), now + WINDOW_S

    assert pace.left(full_at, now) == 0
    wait = pace.wait_s(full_at, now)
    assert wait > 0
    assert pace.wait_s(full_at, now + wait + 1e-5) == 0


def test_full_bucket_says_what_it_holds() -> None:
    assert Pace("key", 25).told(0.0, 1_000.0) == ('"key";q=250;w=10', '"key";r=250;t=0')
