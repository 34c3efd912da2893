"""Rates: what counts as a price, what sources agree on, and when a token is off its peg."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Conflict
from bascule.domain.rates import (
    ONE,
    Pair,
    Price,
    PriceRefused,
    Rate,
    Rules,
    Verdict,
    agree,
    off_peg_bps,
    read_price,
    require_peg,
    spell,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAIR = Pair("usdc", "eur")
SPREAD = 100


def rules(n: int) -> Rules:
    return Rules({PAIR: [f"s{k}" for k in range(n)]}, spread_bps=SPREAD)


def prices(*units: int, age_s: int = 0) -> list[Price]:
    return [Price(k, f"s{k}", each, NOW - timedelta(seconds=age_s)) for k, each in enumerate(units)]


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "Infinity", "-1", "0", "0.000", "1,1", "<html>", "1e10", "1e999", "1000000000", "1e-19",
     "0x1", "\u0661", " 1", "1_0", "9" * 900],
)  # fmt: skip
def test_what_is_no_price_is_refused_in_words(text: str) -> None:
    with pytest.raises(PriceRefused):
        read_price(text)


@given(st.integers(1, 10**27 - 1))
def test_a_price_is_read_as_it_is_spelled(units: int) -> None:
    assert read_price(spell(units)) == units
    assert Decimal(spell(units)) * ONE == units


def test_digits_beyond_the_scale_are_cut_off_and_never_added() -> None:
    assert read_price("0.9999999999999999999") == ONE - 1
    assert read_price("9.5e-1") == ONE * 95 // 100


@given(
    st.integers(0, 3).flatmap(
        lambda liars: st.tuples(
            st.lists(st.integers(10**18, 10**18 + 10**16), min_size=liars + 1, max_size=liars + 4),
            st.lists(st.integers(1, 10**27), min_size=liars, max_size=liars),
            st.randoms(use_true_random=False),
        )
    )
)
def test_a_minority_of_liars_moves_the_rate_only_between_the_honest(case: tuple) -> None:  # type: ignore[type-arg]
    honest, lies, random = case
    said = [*honest, *lies]
    random.shuffle(said)

    rate = agree(PAIR, prices(*said), rules(len(said)), NOW)

    assert min(honest) <= rate.units <= max(honest)
    assert rate.units in said, "no price is made up"


@given(st.lists(st.integers(1, 10**27), min_size=1, max_size=7))
def test_an_agreed_rate_has_a_majority_near_it(said: list[int]) -> None:
    middle = sorted(said)[(len(said) - 1) // 2]
    near = [units for units in said if abs(units - middle) * 10_000 <= SPREAD * middle]
    if len(near) * 2 <= len(said):
        with pytest.raises(Conflict) as refused:
            agree(PAIR, prices(*said), rules(len(said)), NOW)
        assert refused.value.code == "rates_disagree"
        return
    rate = agree(PAIR, prices(*said), rules(len(said)), NOW)
    agreed = [price for price, verdict in rate.verdicts.items() if verdict is Verdict.AGREED]
    assert len(agreed) * 2 > len(said)
    assert rate.units in [price.units for price in agreed]


def test_of_two_in_the_middle_the_lower_is_taken() -> None:
    assert agree(PAIR, prices(ONE + 2, ONE, ONE + 3, ONE + 1), rules(4), NOW).units == ONE + 1


def test_an_outlier_is_named_and_does_not_count() -> None:
    rate = agree(PAIR, prices(ONE, ONE + 1, 2 * ONE), rules(3), NOW)

    assert rate.units == ONE
    assert [str(verdict) for verdict in rate.verdicts.values()] == ["agreed", "agreed", "outlier"]


def test_two_sources_that_differ_make_no_rate() -> None:
    with pytest.raises(Conflict) as refused:
        agree(PAIR, prices(ONE, ONE + ONE // 50), rules(2), NOW)
    assert refused.value.code == "rates_disagree"


def test_a_majority_of_the_sources_must_have_spoken() -> None:
    with pytest.raises(Conflict) as refused:
        agree(PAIR, prices(ONE), rules(2), NOW)
    assert refused.value.code == "rate_unavailable"
    with pytest.raises(Conflict):
        agree(PAIR, [Price(1, "stranger", ONE, NOW)], rules(1), NOW)


def test_a_price_counts_until_it_is_older_than_the_bound() -> None:
    assert agree(PAIR, prices(ONE, age_s=60), rules(1), NOW).units == ONE
    with pytest.raises(Conflict) as refused:
        agree(PAIR, prices(ONE, age_s=61), rules(1), NOW)
    assert refused.value.code == "rate_stale"


def test_a_stale_price_is_left_out_where_enough_are_fresh() -> None:
    said = [*prices(ONE, ONE), Price(2, "s2", 2 * ONE, NOW - timedelta(hours=1))]

    rate = agree(PAIR, said, rules(3), NOW)

    assert rate.units == ONE
    assert rate.verdicts[said[2]] is Verdict.STALE


@given(st.integers(1, 3 * ONE), st.integers(0, 10_000))
def test_a_token_is_off_its_peg_exactly_beyond_the_bound(units: int, bound: int) -> None:
    rate = Rate(Pair("usdc", "usd"), units, {})
    beyond = abs(units - ONE) * 10_000 > bound * ONE

    assert (off_peg_bps(units) > bound) is beyond
    if beyond:
        with pytest.raises(Conflict) as refused:
            require_peg(rate, bound)
        assert refused.value.code == "token_off_peg"
    else:
        require_peg(rate, bound)
