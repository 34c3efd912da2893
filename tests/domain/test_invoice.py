"""Invoices: exact sums, tax to the cent, reminders one after another."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Rejected
from bascule.domain.invoice import CENT, InvoiceType, Line, Reminder, numbered, reminder, sums

DUE = datetime(2026, 12, 24, 12, tzinfo=UTC)
LINES = st.lists(
    st.builds(
        Line, st.just("x"), st.integers(1, 10**6), st.integers(1, 10**24), st.sampled_from([0, 700, 1900, 1])
    ),
    max_size=8,
)


@given(LINES)
def test_the_sum_is_exact_and_each_rate_is_rounded_once_by_half_a_cent_at_most(lines: list[Line]) -> None:
    found = sums(lines)

    assert found.subtotal == sum(line.quantity * line.unit_amount for line in lines)
    assert found.total == found.subtotal + sum(tax.amount for tax in found.taxes)
    rates = sorted({line.tax_bps for line in lines if line.tax_bps})
    assert [tax.rate_bps for tax in found.taxes] == rates
    for tax in found.taxes:
        exact = Fraction(tax.taxable * tax.rate_bps, 10_000)
        assert tax.taxable == sum(line.amount for line in lines if line.tax_bps == tax.rate_bps)
        assert tax.amount % CENT == 0
        assert -Fraction(CENT, 2) < tax.amount - exact <= Fraction(CENT, 2), "a half is rounded up"


def test_nineteen_per_cent_of_ten_cents_is_two_cents_and_half_a_cent_is_one() -> None:
    assert sums([Line("x", 1, 10 * CENT, 1900)]).tax == 2 * CENT
    assert sums([Line("x", 1, CENT, 5000)]).tax == CENT
    assert sums([Line("x", 1, CENT, 4999)]).tax == 0


def test_more_than_can_be_asked_for_is_refused() -> None:
    with pytest.raises(Rejected) as refused:
        sums([Line("x", 10, 10**35)])
    assert (refused.value.code, refused.value.param) == ("amount_too_large", "lines")


def test_the_latest_reminder_counts() -> None:
    before = [timedelta(days=4), timedelta(days=3), timedelta(hours=24), timedelta(seconds=1), timedelta(0)]

    assert [reminder(DUE, DUE - each) for each in before] == [
        Reminder.NONE, Reminder.WILL_BE_DUE, Reminder.DUE, Reminder.DUE, Reminder.OVERDUE,
    ]  # fmt: skip


def test_numbers_say_their_row() -> None:
    assert numbered(InvoiceType.CUSTOMER, 42, livemode=True) == "INV-000042"
    assert numbered(InvoiceType.PLATFORM_FEES, 7, livemode=False) == "TEST-FEE-000007"
