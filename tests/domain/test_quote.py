"""Quotes: the direction in which a fiat price is rounded, and when a quote can be used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Conflict, Rejected
from bascule.domain.money import Money, parse_amount
from bascule.domain.quote import require_usable, tokens_due
from bascule.domain.rates import ONE, read_price


@given(st.integers(1, 10**8), st.integers(10**12, 10**24), st.integers(0, 6))
def test_the_locked_amount_is_worth_the_price_and_less_than_a_digit_more(
    cents: int, price: int, digits: int
) -> None:
    fiat = Money(cents * 10**16, "eur")
    unit = 10 ** (18 - digits)

    due = tokens_due(fiat, price, "usdc", digits)

    assert due.currency == "usdc"
    assert due.units % unit == 0
    assert due.units * price >= fiat.units * ONE
    assert (due.units - unit) * price < fiat.units * ONE


def test_a_price_that_divides_leaves_nothing_to_round() -> None:
    assert tokens_due(parse_amount("25.00", "usd"), ONE, "usdc").display() == "25.000000"
    assert tokens_due(parse_amount("25.00", "eur"), read_price("0.92"), "usdc").display() == "27.173914"


def test_a_price_near_nothing_asks_for_more_than_can_be_paid() -> None:
    with pytest.raises(Rejected) as refused:
        tokens_due(parse_amount("999999999999999999.00", "usd"), 10**17, "usdc")
    assert refused.value.code == "amount_too_large"


@pytest.mark.parametrize(
    ("expired", "used", "code"),
    [(True, None, "quote_expired"), (False, "pi_1", "quote_used"), (True, "pi_1", "quote_used")],
)
def test_a_quote_that_is_over_or_used_says_which(expired: bool, used: str | None, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        require_usable(expired=expired, payment_intent=used)
    assert refused.value.code == code
