from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.money import Money
from bascule.domain.payment_intent import IntentTerms, threshold

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USDC = (8453, Address(b"\x11" * 20))


def terms(due_units: int = 100, bps: int = 0, absolute: int = 0, **more: Any) -> IntentTerms:
    fields: dict[str, Any] = {
        "due": Money(due_units, "usdc"),
        "accepted": frozenset({USDC}),
        "underpay_tolerance_bps": bps,
        "underpay_tolerance_abs": absolute,
        "late": "accept",
        "overpay": "hold",
        "expires_at": NOW,
        "closes_at": NOW + timedelta(hours=1),
    }
    return IntentTerms(**{**fields, **more})


@pytest.mark.parametrize(
    ("due", "bps", "absolute", "expected"),
    [
        (100, 0, 0, 100),
        (10_000, 50, 0, 9_950),
        (10_000, 50, 70, 9_930),  # the larger tolerance rules
        (10_000, 50, 30, 9_950),
        (199, 100, 0, 198),  # 1.99 rounds down to 1
        (100, 10_000, 0, 1),
        (100, 0, 500, 1),
        (1, 9_999, 0, 1),
    ],
)
def test_the_threshold_is_due_less_the_larger_tolerance(
    due: int, bps: int, absolute: int, expected: int
) -> None:
    assert threshold(terms(due, bps, absolute)) == expected


@given(st.integers(1, 10**36), st.integers(0, 10_000), st.integers(0, 10**36))
def test_the_threshold_is_always_something_and_never_more_than_due(due: int, bps: int, absolute: int) -> None:
    assert 1 <= threshold(terms(due, bps, absolute)) <= due


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"due": Money(0, "usdc")}, "amount"),
        ({"accepted": frozenset()}, "accepted"),
        ({"underpay_tolerance_bps": -1}, "policy.underpay_tolerance_bps"),
        ({"underpay_tolerance_bps": 10_001}, "policy.underpay_tolerance_bps"),
        ({"underpay_tolerance_abs": -1}, "policy.underpay_tolerance_abs"),
        ({"closes_at": NOW - timedelta(seconds=1)}, "closes_at"),
    ],
)
def test_terms_nobody_could_meet_are_refused(wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(Rejected) as refused:
        terms(**wrong)

    assert refused.value.param == param


def test_a_moment_without_a_time_zone_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        terms(expires_at=NOW.replace(tzinfo=None))
