"""The platform's fee: rounded down, never more than came, the fixed part once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Rejected
from bascule.domain.platform_fee import FIXED_MAX, FeeTerms

TERMS = st.builds(FeeTerms, st.integers(0, 10_000), st.integers(0, 10**20))


@given(TERMS, st.integers(1, 10**30), st.integers(0, 18), st.booleans())
def test_a_fee_is_never_more_than_its_terms_nor_than_what_came(
    terms: FeeTerms, gross: int, decimals: int, first: bool
) -> None:
    fee = terms.of(gross, decimals, first=first)

    exact_share = Fraction(gross * terms.bps, 10_000)
    exact_fixed = Fraction(terms.fixed, 10 ** (18 - decimals))
    assert 0 <= exact_share - fee.share < 1, "rounded down, by less than a base unit"
    assert 0 <= fee.fixed <= exact_fixed
    assert 0 <= fee.amount <= gross
    if first and gross - fee.share >= exact_fixed:
        assert exact_fixed - fee.fixed < 1
    if not first:
        assert fee.fixed == 0


@given(TERMS, st.lists(st.integers(1, 10**12), min_size=1, max_size=5))
def test_parts_of_a_payment_never_cost_more_than_the_whole(terms: FeeTerms, parts: list[int]) -> None:
    whole = terms.of(sum(parts), 6, first=True)
    in_parts = [terms.of(part, 6, first=place == 0) for place, part in enumerate(parts)]

    assert sum(fee.amount for fee in in_parts) <= whole.amount
    assert sum(fee.share for fee in in_parts) > whole.share - len(parts)


def test_one_per_cent_and_ten_cents_of_twenty_five() -> None:
    fee = FeeTerms(100, 10**17).of(25_000_000, 6, first=True)

    assert (fee.share, fee.fixed, fee.amount) == (250_000, 100_000, 350_000)
    assert FeeTerms().of(25_000_000, 6, first=True).amount == 0


@pytest.mark.parametrize(("bps", "fixed"), [(-1, 0), (10_001, 0), (0, -1), (0, FIXED_MAX + 1)])
def test_terms_that_cannot_be_meant_are_refused(bps: int, fixed: int) -> None:
    with pytest.raises(Rejected) as refused:
        FeeTerms(bps, fixed)
    assert refused.value.code == "parameter_invalid"
