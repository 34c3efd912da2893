"""The rules of matching one by one; what holds for all inputs is in test_matching_properties.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import Address
from bascule.domain.deposit import DepositState
from bascule.domain.matching import Decision, Fixed, Seen, Verdict, decide
from bascule.domain.money import Money
from bascule.domain.payment_intent import Flag, IntentEvent, IntentState, IntentTerms

EXPIRES = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLOSES = EXPIRES + timedelta(hours=1)
ON_TIME = EXPIRES - timedelta(minutes=10)
USDC, OTHER = Address(b"\x11" * 20), Address(b"\x22" * 20)
ONE = 10**6  # one token of six decimals, in base units
UNIT = 10**18  # one of the currency, in units

APPLIED, UNAPPLIED = ApplicationState.APPLIED, ApplicationState.UNAPPLIED
OPEN, PROCESSING = IntentState.REQUIRES_ACTION, IntentState.PROCESSING


def terms(**more: Any) -> IntentTerms:
    fields: dict[str, Any] = {
        "due": Money(100 * UNIT, "usdc"),
        "accepted": frozenset({(1, USDC), (10, USDC)}),
        "underpay_tolerance_bps": 0,
        "underpay_tolerance_abs": 0,
        "late": "accept",
        "overpay": "hold",
        "expires_at": EXPIRES,
        "closes_at": CLOSES,
    }
    return IntentTerms(**{**fields, **more})


def paid(name: str, tokens: float, block: int = 1, **more: Any) -> Seen:
    fields: dict[str, Any] = {
        "deposit_id": name,
        "chain_id": 1,
        "token": USDC,
        "amount": int(tokens * ONE),
        "decimals": 6,
        "block_time": ON_TIME + timedelta(seconds=block),
        "position": (block, 0),
        "state": DepositState.DETECTED,
    }
    return Seen(**{**fields, **more})


def fixed(verdict: Verdict) -> dict[str, Fixed]:
    return {key: Fixed(d.state, d.reason, d.amount_applied) for key, d in verdict.decisions.items()}


FINAL: dict[str, Any] = {"state": DepositState.FINALIZED}
GONE: dict[str, Any] = {"state": DepositState.ORPHANED}


def test_nothing_seen_changes_nothing() -> None:
    verdict = decide(terms(), OPEN, [], {})

    assert (verdict.received, verdict.events, verdict.state, verdict.flags) == (0, (), OPEN, frozenset())
    assert verdict.remaining == 100 * UNIT


def test_an_exact_payment_covers_and_settles_once_final() -> None:
    seen = decide(terms(), OPEN, [paid("a", 100)], {})
    final = decide(terms(), seen.state, [paid("a", 100, **FINAL)], fixed(seen))

    assert seen.decisions["a"] == Decision(APPLIED, None, 100 * ONE)
    assert (seen.events, seen.state, seen.received, seen.confirmed) == (
        (IntentEvent.COVER,),
        PROCESSING,
        100 * UNIT,
        0,
    )
    assert (final.events, final.state, final.confirmed) == (
        (IntentEvent.SETTLE,),
        IntentState.SUCCEEDED,
        100 * UNIT,
    )
    assert final.flags == frozenset()


def test_a_payment_first_seen_when_final_covers_and_settles_in_one_go() -> None:
    verdict = decide(terms(), OPEN, [paid("a", 100, **FINAL)], {})

    assert verdict.events == (IntentEvent.COVER, IntentEvent.SETTLE)


def test_a_part_payment_is_applied_and_flagged() -> None:
    verdict = decide(terms(), OPEN, [paid("a", 40)], {})

    assert verdict.decisions["a"].amount_applied == 40 * ONE
    assert (verdict.events, verdict.flags) == ((), frozenset({Flag.PARTIALLY_PAID}))
    assert verdict.remaining == 60 * UNIT


@pytest.mark.parametrize("missing", [0, 1])
def test_the_tolerance_reaches_to_the_unit_and_not_one_further(missing: int) -> None:
    rules = terms(underpay_tolerance_abs=5 * UNIT)
    deposit = paid("a", 0, amount=95 * ONE - missing)

    verdict = decide(rules, OPEN, [deposit], {})

    if missing:
        assert (verdict.state, verdict.flags) == (OPEN, frozenset({Flag.PARTIALLY_PAID}))
    else:
        assert (verdict.state, verdict.flags) == (PROCESSING, frozenset({Flag.UNDERPAID_ACCEPTED}))


def test_money_within_tolerance_may_still_be_topped_up() -> None:
    rules = terms(underpay_tolerance_bps=1_000)

    verdict = decide(rules, OPEN, [paid("a", 95, 1), paid("b", 5, 2)], {})

    assert verdict.decisions["b"] == Decision(APPLIED, None, 5 * ONE)
    assert verdict.flags == frozenset()


@pytest.mark.parametrize(("overpay", "credited"), [("hold", 40), ("keep", 70)])
def test_the_payment_that_crosses_is_applied_whole_and_its_excess_follows_policy(
    overpay: str, credited: int
) -> None:
    verdict = decide(terms(overpay=overpay), OPEN, [paid("a", 60, 1), paid("b", 70, 2)], {})

    assert verdict.decisions["b"] == Decision(APPLIED, None, credited * ONE)
    assert (verdict.received, verdict.overpaid) == (130 * UNIT, 30 * UNIT)
    assert verdict.flags == {Flag.OVERPAID}


def test_excess_below_a_base_unit_is_credited_not_cut_in_two() -> None:
    coarse = terms(due=Money(1005 * 10**15, "usdc"))  # 1.005, paid with a token of two decimals

    verdict = decide(coarse, OPEN, [paid("a", 0, amount=200, decimals=2)], {})

    assert verdict.decisions["a"].amount_applied == 101


@pytest.mark.parametrize("decimals", [0, 6, 18])
def test_an_amount_beyond_belief_is_held_and_counts_for_nothing(decimals: int) -> None:
    beyond = paid("a", 0, amount=2**256 - 1, decimals=decimals)

    verdict = decide(terms(), OPEN, [beyond, paid("b", 100, 2)], {})

    assert verdict.decisions["a"] == Decision(UNAPPLIED, Reason.HELD, 0)
    assert (verdict.received, verdict.flags) == (100 * UNIT, frozenset({Flag.HELD}))


def test_a_payment_after_full_cover_is_a_duplicate() -> None:
    verdict = decide(terms(), OPEN, [paid("a", 100, 1), paid("b", 100, 2)], {})

    assert verdict.decisions["b"] == Decision(UNAPPLIED, Reason.ALREADY_PAID, 0)
    assert (verdict.received, verdict.flags) == (100 * UNIT, frozenset({Flag.DUPLICATE}))


def test_a_payment_after_success_is_a_duplicate_and_moves_nothing() -> None:
    before = {"a": Fixed(APPLIED, None, 100 * ONE)}

    verdict = decide(terms(), IntentState.SUCCEEDED, [paid("a", 100, 1, **FINAL), paid("b", 5, 2)], before)

    assert verdict.decisions["b"].reason is Reason.ALREADY_PAID
    assert (verdict.events, verdict.received) == ((), 100 * UNIT)


def test_a_payment_to_a_canceled_intent_is_unapplied() -> None:
    verdict = decide(terms(), IntentState.CANCELED, [paid("a", 100)], {})

    assert verdict.decisions["a"].reason is Reason.INTENT_CLOSED
    assert (verdict.events, verdict.received) == ((), 0)


@pytest.mark.parametrize(
    ("late", "at", "reason", "flags"),
    [
        ("accept", EXPIRES, None, set()),
        ("accept", EXPIRES + timedelta(seconds=1), None, {Flag.LATE}),
        ("accept", CLOSES, None, {Flag.LATE}),
        ("accept", CLOSES + timedelta(seconds=1), Reason.INTENT_CLOSED, set()),
        ("hold", EXPIRES, None, set()),
        ("hold", EXPIRES + timedelta(seconds=1), Reason.HELD, {Flag.LATE, Flag.HELD}),
        ("hold", CLOSES + timedelta(seconds=1), Reason.INTENT_CLOSED, set()),
    ],
)
def test_lateness_is_judged_by_block_time(
    late: str, at: datetime, reason: Reason | None, flags: set[Flag]
) -> None:
    verdict = decide(terms(late=late), OPEN, [paid("a", 100, block_time=at)], {})

    assert verdict.decisions["a"].reason is reason
    assert verdict.flags == flags


@pytest.mark.parametrize(
    ("more", "reason", "flags"),
    [
        ({"token": OTHER}, Reason.WRONG_TOKEN, {Flag.WRONG_TOKEN}),
        ({"chain_id": 56}, Reason.WRONG_CHAIN, {Flag.WRONG_CHAIN}),
        ({"chain_id": 56, "token": OTHER}, Reason.WRONG_CHAIN, {Flag.WRONG_CHAIN}),
        ({"token": OTHER, "decimals": None}, Reason.UNSUPPORTED_TOKEN, set()),
        ({"amount": 0}, Reason.DUST, set()),
        ({"amount": 9}, Reason.DUST, set()),
        ({"amount": 9, "token": OTHER}, Reason.DUST, set()),
        ({"amount": 10}, None, {Flag.PARTIALLY_PAID}),
    ],
)
def test_only_accepted_tokens_above_dust_count(
    more: dict[str, Any], reason: Reason | None, flags: set[Flag]
) -> None:
    verdict = decide(terms(), OPEN, [paid("a", 100, dust=10, **more)], {})

    assert verdict.decisions["a"].reason is reason
    assert verdict.flags == flags


@pytest.mark.parametrize("floor", ["dust", "minimum"])
def test_the_last_part_of_what_is_missing_counts_however_small(floor: str) -> None:
    small = {floor: 5 * ONE}

    verdict = decide(
        terms(), OPEN, [paid("a", 98, 1), paid("b", 1, 2, **small), paid("c", 2, 3, **small)], {}
    )

    assert verdict.decisions["b"].reason is (Reason.DUST if floor == "dust" else Reason.BELOW_MINIMUM)
    assert verdict.decisions["c"] == Decision(APPLIED, None, 2 * ONE)
    assert (verdict.state, verdict.flags) == (PROCESSING, frozenset())


def test_dust_after_the_payment_is_no_duplicate() -> None:
    verdict = decide(terms(), OPEN, [paid("a", 100, 1), paid("b", 1, 2, dust=5 * ONE)], {})

    assert (verdict.decisions["b"].reason, verdict.flags) == (Reason.DUST, frozenset())


def test_money_of_the_other_mode_counts_for_nothing() -> None:
    verdict = decide(terms(), OPEN, [paid("a", 100, other_mode=True, chain_id=56)], {})

    assert (verdict.decisions["a"].reason, verdict.flags) == (Reason.TEST_MODE, frozenset())


def test_an_orphaned_payment_reopens_its_intent_and_its_return_covers_it_again() -> None:
    first = decide(terms(), OPEN, [paid("a", 100)], {})
    gone = decide(terms(), first.state, [paid("a", 100, **GONE)], fixed(first), flags=first.flags)
    back = decide(terms(), gone.state, [paid("a", 100, 7)], fixed(gone), flags=gone.flags)

    assert gone.decisions["a"] == Decision(UNAPPLIED, Reason.ORPHANED, 0)
    assert (gone.events, gone.state, gone.received) == ((IntentEvent.UNCOVER,), OPEN, 0)
    assert gone.flags == {Flag.REORGED}
    assert (back.events, back.received, back.flags) == (
        (IntentEvent.COVER,),
        100 * UNIT,
        frozenset({Flag.REORGED}),
    )


def test_a_duplicate_takes_the_place_of_a_payment_that_was_orphaned() -> None:
    first = decide(terms(), OPEN, [paid("a", 100, 1), paid("b", 100, 2)], {})

    after = decide(terms(), first.state, [paid("a", 100, 1, **GONE), paid("b", 100, 2)], fixed(first))

    assert after.decisions["b"].state is APPLIED
    assert (after.events, after.flags) == ((), frozenset({Flag.REORGED}))


def test_an_applied_payment_keeps_its_place_when_an_earlier_one_is_seen_later() -> None:
    ours = paid("a", 100, 5, chain_id=10)
    before = decide(terms(), OPEN, [ours], {})

    after = decide(terms(), before.state, [paid("b", 100, 1), ours], fixed(before))

    assert after.decisions["a"].state is APPLIED
    assert after.decisions["b"].reason is Reason.ALREADY_PAID


def test_booked_decisions_stand_as_they_were_booked() -> None:
    booked = {"b": Fixed(UNAPPLIED, Reason.ALREADY_PAID, 0), "c": Fixed(APPLIED, None, 7)}
    seen = [paid("a", 100, 1, **GONE), paid("b", 100, 2, **FINAL), paid("c", 10, 3, **FINAL)]

    verdict = decide(terms(), PROCESSING, seen, booked)

    assert verdict.decisions["b"] == Decision(UNAPPLIED, Reason.ALREADY_PAID, 0)
    assert verdict.decisions["c"] == Decision(APPLIED, None, 7)


def test_credit_already_booked_is_not_given_a_second_time() -> None:
    seen = [paid("a", 60, 1), paid("b", 100, 2, chain_id=10, **FINAL)]
    before = {"a": Fixed(APPLIED, None, 60 * ONE), "b": Fixed(APPLIED, None, 100 * ONE)}

    verdict = decide(terms(), PROCESSING, seen, before)

    assert verdict.decisions["a"] == Decision(APPLIED, None, 0)
    assert (verdict.received, verdict.overpaid) == (160 * UNIT, 60 * UNIT)


def test_credit_that_was_booked_in_part_leaves_the_rest_to_the_others() -> None:
    seen = [paid("a", 60, 1), paid("b", 60, 2, chain_id=10, **FINAL)]
    before = {"a": Fixed(APPLIED, None, 60 * ONE), "b": Fixed(APPLIED, None, 40 * ONE)}

    verdict = decide(terms(), PROCESSING, seen, before)

    assert [verdict.decisions[name].amount_applied for name in "ab"] == [60 * ONE, 40 * ONE]


def test_an_orphaned_payment_that_returns_final_is_decided_anew() -> None:
    away = {"a": Fixed(UNAPPLIED, Reason.ORPHANED, 0)}

    open_ = decide(terms(), OPEN, [paid("a", 100, **FINAL)], away)
    closed = decide(terms(), IntentState.CANCELED, [paid("a", 100, **FINAL)], away)

    assert open_.decisions["a"] == Decision(APPLIED, None, 100 * ONE)
    assert closed.decisions["a"].reason is Reason.INTENT_CLOSED


def test_what_a_person_applied_stays_applied() -> None:
    late = paid("a", 100, block_time=CLOSES + timedelta(days=1))

    verdict = decide(terms(late="hold"), OPEN, [late], {"a": Fixed(APPLIED, None, 100 * ONE)})

    assert verdict.decisions["a"].state is APPLIED
    assert verdict.events == (IntentEvent.COVER,)


@pytest.mark.parametrize(
    ("before", "received"),
    [
        (Fixed(ApplicationState.REFUNDED, None, 100 * ONE), 100 * UNIT),
        (Fixed(ApplicationState.REFUNDED, None, 0), 0),
        (Fixed(ApplicationState.ACCEPTED, None, 0), 0),
    ],
)
def test_refunds_stand_beside_what_was_received(before: Fixed, received: int) -> None:
    verdict = decide(terms(), IntentState.SUCCEEDED, [paid("a", 100, **FINAL)], {"a": before})

    assert verdict.decisions["a"].state is before.state
    assert verdict.received == received


def test_an_orphaned_payment_counts_for_nothing_whatever_became_of_it() -> None:
    before = {"a": Fixed(ApplicationState.REFUNDED, None, 100 * ONE)}

    verdict = decide(terms(), PROCESSING, [paid("a", 100, **GONE)], before)

    assert (verdict.decisions["a"].state, verdict.received) == (ApplicationState.REFUNDED, 0)


def test_history_flags_stay_and_others_are_computed_anew() -> None:
    had = {Flag.EXPIRED, Flag.REORGED, Flag.REVERSED, Flag.OVERPAID, Flag.DUPLICATE}

    verdict = decide(terms(), PROCESSING, [paid("a", 100)], {}, flags=had)

    assert verdict.flags == {Flag.EXPIRED, Flag.REORGED, Flag.REVERSED}


def test_a_deposit_given_twice_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        decide(terms(), OPEN, [paid("a", 1), paid("a", 1)], {})
