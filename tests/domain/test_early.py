"""How early an intent may succeed: levels, tiers, the operator's bound, and that the books never differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.application import ApplicationState
from bascule.domain.deposit import DepositState
from bascule.domain.early import FINAL, EarlyPolicy, Tier, on_network, read_level, spell
from bascule.domain.errors import Rejected
from bascule.domain.finality import FinalityPolicy
from bascule.domain.matching import Decision, Fixed, Seen, Verdict, decide
from bascule.domain.payment_intent import Flag, IntentState, IntentTerms, threshold
from tests.domain.test_matching import ONE, paid, terms

UNIT = 10**18
SAFE = FinalityPolicy("safe")
levels = st.builds(FinalityPolicy, st.just("depth"), st.integers(0, 9999)) | st.sampled_from([SAFE, FINAL])


def depth(number: int) -> FinalityPolicy:
    return FinalityPolicy("depth", number)


@given(levels)
def test_a_level_is_read_as_it_is_spelled(level: FinalityPolicy) -> None:
    assert read_level(spell(level), "policy.finality") == level


@pytest.mark.parametrize("text", ["", "latest:2", "depth:", "depth:-1", "depth:02", "depth:10000", "Safe"])
def test_what_is_no_level_is_refused_by_name(text: str) -> None:
    with pytest.raises(Rejected, match="depth:N") as refused:
        read_level(text, "policy.finality")

    assert refused.value.param == "policy.finality"


@pytest.mark.parametrize(
    ("most", "tiers", "says"),
    [
        (10, [Tier(11, SAFE)], "within the largest"),
        (10, [Tier(5, FINAL)], "earlier than final"),
        (10, [Tier(5, SAFE), Tier(9, depth(64))], "waits longer"),
        (10, [Tier(5, depth(2)), Tier(9, depth(2))], "waits longer"),
        (10, [Tier(5, depth(2)), Tier(5, SAFE)], "for more than the one before"),
        (99, [Tier(number, depth(number)) for number in range(1, 12)], "At most 10"),
    ],
)
def test_tiers_that_contradict_themselves_are_refused(most: int, tiers: list[Tier], says: str) -> None:
    with pytest.raises(Rejected, match=says):
        EarlyPolicy(most, tiers)


@pytest.mark.parametrize(
    ("due", "level"), [(5, depth(1)), (6, SAFE), (50, SAFE), (51, FINAL), (100, FINAL), (101, FINAL)]
)
def test_the_tier_follows_the_amount(due: int, level: FinalityPolicy) -> None:
    policy = EarlyPolicy(100, [Tier(5, depth(1)), Tier(50, SAFE)])

    assert policy.level(due, None, "policy.finality") == level


def test_a_level_asked_for_is_bound_by_the_operator_alone() -> None:
    policy = EarlyPolicy(100, [Tier(50, SAFE)])

    assert policy.level(100, depth(0), "policy.finality") == depth(0)
    assert policy.level(101, FINAL, "policy.finality") == FINAL
    with pytest.raises(Rejected, match="waits until it is final"):
        policy.level(101, SAFE, "policy.finality")
    with pytest.raises(Rejected, match="has not allowed"):
        EarlyPolicy().level(1, SAFE, "policy.finality")


@pytest.mark.parametrize(
    ("level", "network", "decides"),
    [
        (FINAL, depth(64), depth(64)),
        (depth(2), depth(64), depth(2)),
        (depth(99), depth(64), depth(64)),
        (depth(2), FINAL, depth(2)),
        (SAFE, FINAL, SAFE),
        (FINAL, FINAL, FINAL),
    ],
)
def test_the_network_decides_where_it_is_quicker(
    level: FinalityPolicy, network: FinalityPolicy, decides: FinalityPolicy
) -> None:
    assert on_network(level, network) == decides


class Told:
    """One intent and what is decided of its deposits, as the rows keep it."""

    def __init__(self, rules: IntentTerms) -> None:
        self.rules = rules
        self.state, self.flags = IntentState.REQUIRES_ACTION, frozenset[Flag]()
        self.early = False
        self.fixed: dict[str, Fixed] = {}

    def sees(self, seen: list[Seen]) -> Verdict:
        verdict = decide(self.rules, self.state, seen, self.fixed, flags=self.flags, early=self.early)
        if verdict.state is not self.state and verdict.state is IntentState.SUCCEEDED:
            self.early = verdict.early
        self.state, self.flags = verdict.state, verdict.flags
        self.fixed |= {k: Fixed(d.state, d.reason, d.amount_applied) for k, d in verdict.decisions.items()}
        return verdict


STEPS = {
    "orphan": (DepositState.DETECTED, DepositState.ORPHANED),
    "return": (DepositState.ORPHANED, DepositState.DETECTED),
    "finalize": (DepositState.DETECTED, DepositState.FINALIZED),
}


@given(
    st.builds(
        terms,
        underpay_tolerance_bps=st.sampled_from([0, 500]),
        overpay=st.sampled_from(["hold", "keep"]),
        late=st.sampled_from(["accept", "hold"]),
    ),
    st.lists(st.tuples(st.integers(0, 130), st.integers(1, 5_000)), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["see", "rely", *STEPS])), max_size=20),
)
def test_what_is_booked_never_depends_on_when_the_merchant_was_told(
    rules: IntentTerms, payments: list[tuple[int, int]], story: list[tuple[int, str]]
) -> None:
    """Two intents see the same deposits appear, vanish, return and become final; one relies on them early."""
    patient, hasty = Told(rules), Told(rules)
    deposits: dict[int, Seen] = {}
    for which, what in [*story, *((n, "finalize") for n in range(5))]:
        place = which % len(payments)
        deposit = deposits.get(place)
        if what == "see" and deposit is None:
            tokens, second = payments[place]
            deposits[place] = paid(f"d{place}", tokens, second)
        elif what == "rely" and deposit is not None and deposit.state is DepositState.DETECTED:
            deposits[place] = deposit._replace(early=True)
        elif what in STEPS and deposit is not None and deposit.state is STEPS[what][0]:
            deposits[place] = deposit._replace(state=STEPS[what][1], early=False)
        else:
            continue
        booked = patient.sees([each._replace(early=False) for each in deposits.values()])
        told = hasty.sees(list(deposits.values()))

        assert told.decisions == booked.decisions
        assert (told.received, told.confirmed) == (booked.received, booked.confirmed)
        assert hasty.state is IntentState.SUCCEEDED or hasty.state is patient.state
        assert (Flag.REVERSED in told.flags) >= (
            told.state is IntentState.SUCCEEDED and told.received < threshold(rules)
        )
        assert Flag.REVERSED not in booked.flags


def test_an_intent_that_relied_on_money_now_gone_says_so_for_ever() -> None:
    hasty = Told(terms())
    deposit = paid("a", 100)
    hasty.sees([deposit])
    early = hasty.sees([deposit._replace(early=True)])
    gone = hasty.sees([deposit._replace(state=DepositState.ORPHANED)])
    back = hasty.sees([deposit])

    assert (early.state, early.early, early.confirmed) == (IntentState.SUCCEEDED, True, 0)
    assert (gone.state, gone.events, gone.flags) == (
        IntentState.SUCCEEDED,
        (),
        frozenset({Flag.REORGED, Flag.REVERSED}),
    )
    assert back.decisions["a"] == Decision(ApplicationState.APPLIED, None, 100 * ONE)
    assert Flag.REVERSED in back.flags
