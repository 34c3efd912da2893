"""Rules of money out at their exact boundaries, and as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.policy import Ask, Facts, Rule, Rules, Tier, Velocity, decide, read, write

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PAYEE = Address(b"\x0a" * 20)
ONE = (Tier(0, 1),)
LIMITS = Rules(
    (Tier(0, 1), Tier(50, 2), Tier(90, 3)),
    max_per_payout=100,
    max_per_day=250,
    max_per_destination_per_day=180,
    velocity=Velocity(3, 60),
)
units = st.integers(1, 2**100)
limits = st.none() | units


def ask(amount: int) -> Ask:
    return Ask(amount, PAYEE, NOW)


def facts(**known: Any) -> Facts:
    return Facts(**{"may_sign": 3, **known})


@pytest.mark.parametrize(
    ("amount", "known", "rule"),
    [
        (100, {"spent_today": 150}, Rule.WITHIN_LIMITS),
        (101, {}, Rule.MAX_PER_PAYOUT),
        (100, {"spent_today": 151}, Rule.MAX_PER_DAY),
        (100, {"spent_today": 80, "spent_on_destination": 80}, Rule.WITHIN_LIMITS),
        (100, {"spent_today": 81, "spent_on_destination": 81}, Rule.MAX_PER_DESTINATION),
        (1, {"asked_in_window": 2}, Rule.WITHIN_LIMITS),
        (1, {"asked_in_window": 3}, Rule.VELOCITY),
        (91, {"may_sign": 2}, Rule.APPROVERS),
        (90, {"may_sign": 2}, Rule.WITHIN_LIMITS),
        (1, {"denied_by": "the operator"}, Rule.DENYLIST),
    ],
)
def test_a_limit_is_allowed_and_one_unit_more_is_not(amount: int, known: dict[str, Any], rule: Rule) -> None:
    decision = decide(ask(amount), facts(**known), LIMITS)

    assert decision.rule is rule
    assert (decision.outcome == "allow") == (rule is Rule.WITHIN_LIMITS)


@pytest.mark.parametrize(("amount", "people"), [(1, 1), (50, 1), (51, 2), (90, 2), (91, 3)])
def test_the_tier_above_which_an_amount_lies_says_how_many_must_agree(amount: int, people: int) -> None:
    assert decide(ask(amount), facts(), LIMITS).approvals_required == people


def test_each_broken_rule_is_told_and_the_gravest_decides() -> None:
    decision = decide(ask(101), facts(spent_today=200, asked_in_window=9, denied_by="the account"), LIMITS)

    assert decision.rule is Rule.DENYLIST
    assert len(decision.reasons) == 4
    with pytest.raises(Rejected) as refused:
        decision.require()
    assert (refused.value.code, refused.value.param) == ("destination_denylisted", "to")


@pytest.mark.parametrize(
    ("mode", "seconds", "known", "rule"),
    [
        ("any", 0, {}, Rule.WITHIN_LIMITS),
        ("allowlist", 0, {}, Rule.DESTINATIONS),
        ("allowlist", 0, {"known_since": NOW}, Rule.WITHIN_LIMITS),
        ("verified", 0, {"known_since": NOW}, Rule.DESTINATIONS),
        ("verified", 0, {"known_since": NOW, "verified": True}, Rule.WITHIN_LIMITS),
        ("any", 60, {}, Rule.COOL_OFF),
        ("any", 60, {"known_since": NOW - timedelta(seconds=59)}, Rule.COOL_OFF),
        ("any", 60, {"known_since": NOW - timedelta(seconds=60)}, Rule.WITHIN_LIMITS),
    ],
)
def test_an_address_is_paid_once_the_book_knows_it_well_enough(
    mode: Any, seconds: int, known: dict[str, Any], rule: Rule
) -> None:
    rules = Rules(ONE, destinations=mode, cool_off_seconds=seconds)

    assert decide(ask(1), facts(**known), rules).rule is rule


@given(units, units, limits, limits)
def test_whatever_is_allowed_stays_within_every_limit(
    amount: int, spent: int, once: int | None, daily: int | None
) -> None:
    decision = decide(ask(amount), facts(spent_today=spent), Rules(ONE, once, daily))

    fits = (once is None or amount <= once) and (daily is None or spent + amount <= daily)
    assert (decision.outcome == "allow") == fits
    assert decision.reasons


@pytest.mark.parametrize("tiers", [(), (Tier(0, 0),), (Tier(1, 1),), (Tier(0, 1), Tier(0, 2))])
def test_a_payout_without_a_person_cannot_be_configured(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(Rejected) as refused:
        Rules(tiers)

    assert (refused.value.code, refused.value.param) == ("policy_invalid", "approvals")


@given(
    # what the API can spell: up to six digits
    st.builds(
        Rules,
        approvals=st.sets(st.integers(1, 9)).map(
            lambda tens: (Tier(0, 1), *(Tier(10**n * 10**12, n) for n in sorted(tens)))
        ),
        max_per_day=st.none() | st.integers(1, 10**20).map(lambda n: n * 10**12),
        velocity=st.none() | st.builds(Velocity, st.integers(1, 9), st.integers(1, 9)),
        denylist=st.frozensets(st.binary(min_size=20, max_size=20).filter(any).map(Address)),
    )
)
def test_rules_survive_being_written_and_read(rules: Rules) -> None:
    assert read(write(rules)) == rules


@pytest.mark.parametrize(
    ("data", "code", "param"),
    [
        ({"max_per_day": "5"}, "amount_decimal_point_required", "max_per_day"),
        ({"max_per_day": "0.00"}, "amount_too_small", "max_per_day"),
        ({"approvals": [{"above": 1, "required": 1}]}, "amount_not_string", "approvals.0.above"),
        ({"denylist": [checksum(PAYEE), "0x1"]}, "address_invalid", "denylist.1"),
        ({"approval_seconds": 10**15}, "policy_invalid", "approval_seconds"),
        ({"velocity": {"count": "many", "seconds": 1}}, "policy_invalid", "velocity.count"),
        ({"destinations": "none"}, "policy_invalid", "destinations"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(data: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(Rejected) as refused:
        read({"approvals": [{"above": "0.00", "required": 1}], **data})

    assert (refused.value.code, refused.value.param) == (code, param)
