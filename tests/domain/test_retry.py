import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.retry import Backoff

BACKOFF = Backoff(first_s=0.5, longest_s=60.0)


def test_waits_double_up_to_the_longest() -> None:
    waits = [BACKOFF.delay_s(failures) for failures in range(1, 10)]

    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(1, 10**9), st.floats(-1, 1))
def test_jitter_moves_a_wait_by_a_tenth_at_most(failures: int, jitter: float) -> None:
    wait = BACKOFF.delay_s(failures)

    assert 0.9 * wait - 1e-9 <= BACKOFF.delay_s(failures, jitter) <= 1.1 * wait + 1e-9


@pytest.mark.parametrize(("failures", "jitter"), [(0, 0.0), (1, 1.1), (1, -1.1)])
def test_a_wait_without_a_failure_or_with_too_much_jitter_is_our_own_mistake(
    failures: int, jitter: float
) -> None:
    with pytest.raises(AssertionError):
        BACKOFF.delay_s(failures, jitter)


@pytest.mark.parametrize(("first", "longest"), [(0.0, 1.0), (2.0, 1.0)])
def test_a_backoff_that_does_not_grow_cannot_be_made(first: float, longest: float) -> None:
    with pytest.raises(AssertionError):
        Backoff(first, longest)
