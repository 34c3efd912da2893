import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.policy import Limits, decide

LIMITS = Limits(approvals_required=2, max_per_payout=100, max_per_day=250)
amounts = st.integers(0, 2**100)


@pytest.mark.parametrize(
    ("amount", "spent", "outcome", "rule"),
    [
        (100, 150, "allow", "within_limits"),
        (101, 0, "deny", "max_per_payout"),
        (100, 151, "deny", "max_per_day"),
        (101, 200, "deny", "max_per_payout"),
    ],
)
def test_a_limit_is_allowed_and_one_unit_more_is_not(
    amount: int, spent: int, outcome: str, rule: str
) -> None:
    decision = decide(amount, spent, LIMITS)

    assert (decision.outcome, decision.rule, decision.approvals_required) == (outcome, rule, 2)


def test_each_broken_limit_is_named() -> None:
    decision = decide(101, 200, LIMITS)

    assert decision.reasons == (
        "101 is more than 100 per payout.",
        "101 on top of 200 is more than 250 in 24 hours.",
    )


@given(amounts, amounts, amounts, amounts)
def test_whatever_is_allowed_stays_within_both_limits(amount: int, spent: int, once: int, daily: int) -> None:
    decision = decide(amount, spent, Limits(1, once, daily))

    assert (decision.outcome == "allow") == (amount <= once and spent + amount <= daily)
    assert (decision.outcome == "deny") == bool(decision.reasons)


def test_a_payout_without_a_person_cannot_be_configured() -> None:
    with pytest.raises(AssertionError):
        Limits(0, 1, 1)
