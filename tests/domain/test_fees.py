import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.fees import Fees, bump, suggest

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
