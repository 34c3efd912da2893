"""What holds for every intent and every history of deposits."""

import random
from datetime import timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.deposit import DepositState
from bascule.domain.matching import Fixed, Seen, counts, decide
from bascule.domain.money import Money
from bascule.domain.payment_intent import PAYMENT_INTENT, Flag, IntentState, IntentTerms, threshold
from tests.domain.test_matching import CLOSES, EXPIRES, ON_TIME, OTHER, USDC, fixed, paid, terms

OPEN = IntentState.REQUIRES_ACTION
DETECTED, FINALIZED, ORPHANED = DepositState.DETECTED, DepositState.FINALIZED, DepositState.ORPHANED

all_terms = st.builds(
    lambda due, bps, absolute, late, overpay: terms(
        due=Money(due * 10**12, "usdc"),
        underpay_tolerance_bps=bps,
        underpay_tolerance_abs=absolute * 10**12,
        late=late,
        overpay=overpay,
    ),
    st.integers(1, 200),
    st.sampled_from([0, 0, 100, 5_000]),
    st.sampled_from([0, 0, 7]),
    st.sampled_from(["accept", "hold"]),
    st.sampled_from(["hold", "keep"]),
)
block_times = st.sampled_from(
    [ON_TIME, EXPIRES, EXPIRES + timedelta(seconds=1), CLOSES + timedelta(seconds=1)]
)


@st.composite
def histories(draw: st.DrawFn, orphans: bool = True) -> list[Seen]:
    """Deposits of one chain in chain order: a final prefix, then ones that may be orphaned."""
    amounts = draw(st.lists(st.integers(0, 150), max_size=7))
    times = sorted(draw(block_times) for _ in amounts)
    final = draw(st.integers(0, len(amounts)))
    states = [DETECTED, ORPHANED] if orphans else [DETECTED]
    return [
        paid(
            f"dep_{block}",
            0,
            block,
            amount=amount,
            block_time=time,
            token=draw(st.sampled_from([USDC, USDC, USDC, OTHER])),
            state=FINALIZED if block < final else draw(st.sampled_from(states)),
        )
        for block, (amount, time) in enumerate(zip(amounts, times, strict=True))
    ]


@given(all_terms, histories())
def test_each_deposit_is_decided_once_and_no_unit_is_lost(rules: IntentTerms, seen: list[Seen]) -> None:
    verdict = decide(rules, OPEN, seen, {})

    applied = sum(s.units for s in seen if verdict.decisions[s.deposit_id].state is ApplicationState.APPLIED)
    unapplied = sum(s.units for s in seen if verdict.decisions[s.deposit_id].reason is not None)
    assert set(verdict.decisions) == {s.deposit_id for s in seen}
    assert applied + unapplied == sum(s.units for s in seen)
    assert applied == verdict.received
    assert verdict.remaining - verdict.overpaid == rules.due.units - verdict.received
    for deposit in seen:
        assert 0 <= verdict.decisions[deposit.deposit_id].amount_applied <= deposit.amount


@given(all_terms, histories())
def test_credit_under_hold_is_due_at_most_and_under_keep_all(rules: IntentTerms, seen: list[Seen]) -> None:
    verdict = decide(rules, OPEN, seen, {})

    credited = sum(decision.amount_applied for decision in verdict.decisions.values()) * 10**12
    wanted = min(verdict.received, rules.due.units) if rules.overpay == "hold" else verdict.received
    assert credited == wanted


@given(all_terms, histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(
    rules: IntentTerms, seen: list[Seen], chance: random.Random
) -> None:
    shuffled = chance.sample(seen, len(seen))

    assert decide(rules, OPEN, shuffled, {}) == decide(rules, OPEN, seen, {})


@given(all_terms, histories())
def test_asking_again_gives_the_same_answer_and_no_event(rules: IntentTerms, seen: list[Seen]) -> None:
    once = decide(rules, OPEN, seen, {})
    again = decide(rules, once.state, seen, fixed(once), flags=once.flags)

    assert again._replace(events=()) == once._replace(events=())
    assert again.events == ()


@given(all_terms, histories())
def test_the_state_says_what_the_sums_say(rules: IntentTerms, seen: list[Seen]) -> None:
    verdict = decide(rules, OPEN, seen, {})

    assert 0 <= verdict.confirmed <= verdict.received
    if verdict.confirmed >= threshold(rules):
        assert verdict.state is IntentState.SUCCEEDED
    elif verdict.received >= threshold(rules):
        assert verdict.state is IntentState.PROCESSING
    else:
        assert verdict.state is OPEN


@given(all_terms, histories(orphans=False), st.data())
def test_after_a_reorg_recomputing_equals_computing_afresh(
    rules: IntentTerms, seen: list[Seen], data: st.DataObject
) -> None:
    before = decide(rules, OPEN, seen, {})
    assume(before.state not in PAYMENT_INTENT.finals)
    lost = {s.deposit_id for s in seen if s.state is DETECTED and data.draw(st.booleans())}
    now = [s._replace(state=ORPHANED) if s.deposit_id in lost else s for s in seen]

    after = decide(rules, before.state, now, fixed(before), flags=before.flags)
    fresh = decide(rules, OPEN, [s for s in now if s.deposit_id not in lost], {})

    assert (after.received, after.confirmed, after.state) == (fresh.received, fresh.confirmed, fresh.state)
    for name, decision in after.decisions.items():
        if name in lost:
            assert decision.reason is Reason.ORPHANED
        else:
            assert decision == fresh.decisions[name]


@given(all_terms, histories(orphans=False))
def test_a_reorg_that_brings_everything_back_changes_nothing(rules: IntentTerms, seen: list[Seen]) -> None:
    before = decide(rules, OPEN, seen, {})
    assume(before.state not in PAYMENT_INTENT.finals)
    gone = [s._replace(state=ORPHANED) if s.state is DETECTED else s for s in seen]

    away = decide(rules, before.state, gone, fixed(before), flags=before.flags)
    back = decide(rules, away.state, seen, fixed(away), flags=away.flags)

    assert (back.decisions, back.received, back.state) == (before.decisions, before.received, before.state)


@settings(max_examples=60)
@given(all_terms, histories(orphans=False))
def test_one_by_one_or_all_at_once_is_the_same(rules: IntentTerms, seen: list[Seen]) -> None:
    state, before, flags = OPEN, dict[str, Fixed](), frozenset[Flag]()
    arrived = [s._replace(state=DETECTED) for s in seen]
    for count in range(len(arrived) + 1):
        verdict = decide(rules, state, arrived[:count], before, flags=flags)
        state, before, flags = verdict.state, fixed(verdict), verdict.flags
    all_seen = decide(rules, state, seen, before, flags=flags)

    at_once = decide(rules, OPEN, seen, {})
    assert all_seen._replace(events=()) == at_once._replace(events=())


@given(all_terms, histories(orphans=False))
def test_success_is_never_undone(rules: IntentTerms, seen: list[Seen]) -> None:
    before = decide(rules, OPEN, seen, {})
    assume(before.state is IntentState.SUCCEEDED)
    now = [s._replace(state=ORPHANED) if s.state is DETECTED else s for s in seen]

    after = decide(rules, before.state, now, fixed(before))

    assert (after.state, after.events) == (IntentState.SUCCEEDED, ())
    assert after.confirmed == before.confirmed >= threshold(rules)
    assert all(
        after.decisions[s.deposit_id] == before.decisions[s.deposit_id]
        for s in now
        if counts(before.decisions[s.deposit_id], s.state)
    )
