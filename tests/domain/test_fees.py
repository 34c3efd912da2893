import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.fees import Ceiling, Fees, bump, suggest

wei = st.integers(0, 10**15)


@given(wei, wei)
def test_a_bump_raises_both_fees_by_an_eighth_or_more_and_never_by_a_wei_too_many(tip: int, cap: int) -> None:
    for before, after in zip((tip, cap), bump(tip, cap), strict=True):
        assert after * 8 >= before * 9
        assert after > before
        assert after == before + 1 or (after - 1) * 8 < before * 9


@pytest.mark.parametrize(
    ("fee", "expected"), [(0, 1), (1, 2), (8, 9), (9, 11), (1_000_000_001, 1_125_000_002)]
)
def test_a_bump_rounds_up(fee: int, expected: int) -> None:
    assert bump(fee, fee) == (expected, expected)


@given(wei, wei, wei, wei)
def test_a_bumped_fee_stays_below_its_ceiling_or_is_not_made(
    tip: int, more: int, gas: int, ceiling: int
) -> None:
    fees = Fees(tip + more, tip, 21_000 + gas)
    bumped = fees.bumped(ceiling)

    wanted = bump(tip, tip + more)
    if wanted[1] > ceiling:
        assert bumped is None
    else:
        assert bumped == Fees(wanted[1], wanted[0], fees.gas)


@given(wei, wei, wei, wei, wei)
def test_a_bump_to_the_market_still_raises_both_fees_by_an_eighth_and_stays_below_the_ceiling(
    tip: int, more: int, base_fee: int, market_tip: int, ceiling: int
) -> None:
    """Whichever moved: the base fee tenfold and the tip not at all, or only the tip."""
    fees = Fees(tip + more, tip, 21_000)
    market = suggest(base_fee, market_tip, 10**16, gas=21_000)
    bumped = fees.bumped(ceiling, market)

    least_tip, least_cap = bump(tip, tip + more)
    if bumped is None:
        assert least_cap > ceiling
        return
    assert least_cap <= bumped.max_fee_per_gas <= ceiling
    assert least_tip <= bumped.max_priority_fee_per_gas <= bumped.max_fee_per_gas
    if ceiling >= market.max_fee_per_gas:
        assert bumped.max_fee_per_gas == max(least_cap, market.max_fee_per_gas)


@given(wei, wei, st.integers(1, 10**9))
def test_bumps_end_at_the_ceiling_after_a_bounded_number_of_steps(tip: int, more: int, times: int) -> None:
    fees: Fees | None = Fees(tip + more, tip, 21_000)
    ceiling, steps = (tip + more) * times, 0
    while fees is not None and (higher := fees.bumped(ceiling)) is not None:
        assert higher.max_fee_per_gas > fees.max_fee_per_gas
        assert higher.max_priority_fee_per_gas > fees.max_priority_fee_per_gas
        fees, steps = higher, steps + 1

    assert fees is not None
    assert steps <= 230, "an eighth a step is a factor of a milliard within 177, and single wei before that"


@given(wei, wei, st.integers(21_000, 2**24), wei)
def test_no_transaction_costs_more_than_its_ceiling(per_gas: int, cost: int, gas: int, data_fee: int) -> None:
    allowed = Ceiling(per_gas, cost).of(gas, data_fee)

    assert 0 <= allowed <= per_gas
    assert allowed * gas + data_fee <= max(cost, data_fee)
    assert allowed == per_gas or (allowed + 1) * gas + data_fee > cost


@given(wei, wei, st.integers(1, 10**15))
def test_a_suggestion_survives_a_doubled_base_fee_unless_the_ceiling_forbids_it(
    base_fee: int, tip: int, ceiling: int
) -> None:
    fees = suggest(base_fee, tip, ceiling, gas=100_000)

    assert fees.max_fee_per_gas == min(ceiling, 2 * base_fee + tip)
    assert fees.max_priority_fee_per_gas == min(tip, fees.max_fee_per_gas)


@pytest.mark.parametrize("wrong", [(1, 2, 21_000), (2, 1, 20_999), (1, -1, 21_000)])
def test_fees_no_chain_would_take_cannot_be_made(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(AssertionError):
        Fees(*wrong)
