"""A vault's float against what is wanted of it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.standing import CENTURY, LEAST_RUNWAY, RECENT, Standing

UNITS = st.integers(0, 2**96)


@given(UNITS, UNITS, UNITS, UNITS)
def test_sending_what_is_missing_and_no_less_ends_the_want(
    held: int, paying: int, waiting: int, spent: int
) -> None:
    missing = Standing(held, paying, waiting, spent).missing

    assert Standing(held + missing, paying, waiting, spent).missing == 0
    assert missing == 0 or Standing(held + missing - 1, paying, waiting, spent).missing == 1


def test_float_is_low_when_payouts_wait_for_it_or_soon_will() -> None:
    day = 24
    lasts = int(day * LEAST_RUNWAY / RECENT)

    assert not Standing(lasts, 0, 0, day).low
    assert Standing(lasts - 1, 0, 0, day).low
    assert Standing(day, day - lasts + 1, 0, day).low, "what is in flight is as good as gone"
    assert Standing(10, 0, 11, 0).low
    assert not Standing(10, 0, 10, 0).low
    assert Standing(0, 0, 0, 0).runway is None
    assert Standing(6, 0, 0, day).runway == timedelta(hours=6)


@given(UNITS, UNITS, UNITS, UNITS)
def test_what_treasury_is_asked_to_send_ends_the_asking_and_is_asked_for_only_while_it_is_low(
    held: int, paying: int, waiting: int, spent: int
) -> None:
    now = Standing(held, paying, waiting, spent)
    wanted = now.wanted

    assert (wanted is not None) == now.low
    if wanted is not None:
        then = Standing(held + wanted.amount, paying, waiting, spent)
        assert wanted.amount > 0
        assert wanted.reason == ("missing" if now.missing else "runway")
        assert then.settles(wanted.reason)
        assert not now.settles(wanted.reason)


@given(UNITS, UNITS, UNITS, UNITS)
def test_how_long_a_float_lasts_can_always_be_told(held: int, paying: int, waiting: int, spent: int) -> None:
    standing = Standing(held, paying, waiting, spent)

    assert standing.runway is None or timedelta() <= standing.runway <= CENTURY
    assert not Standing(10**24, 0, 0, 1).low
