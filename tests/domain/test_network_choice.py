"""The network of a payout that leaves it open, whatever networks there are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.network_choice import Candidate, choose

COSTS = st.none() | st.decimals(0, 50, places=4)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        chain_id=st.integers(1, 2**53),
        token_id=st.just("tok_1"),
        covered=st.booleans(),
        cost=COSTS,
        seconds=st.integers(0, 3_600),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda each: each.chain_id,
)


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_choice_is_the_same_in_whatever_order_the_networks_come(
    found: list[Candidate], random: Random
) -> None:
    mixed = random.sample(found, len(found))

    assert choose(mixed) == choose(found)
    assert sorted(choose(found).candidates, key=lambda each: each.chain_id) == sorted(
        found, key=lambda each: each.chain_id
    )


@given(CANDIDATES)
def test_nobody_waits_for_float_while_another_network_has_it(found: list[Candidate]) -> None:
    assert choose(found).chosen.covered == any(each.covered for each in found)


@given(CANDIDATES)
def test_no_network_is_better_in_what_decided_and_as_good_in_all_before(found: list[Candidate]) -> None:
    told = choose(found)
    best = told.chosen
    for other in (each for each in found if each != best):
        cent = Decimal("0.01")
        if other.covered < best.covered:
            continue
        assert best.covered == other.covered
        if best.cost is None or other.cost is None:
            assert other.cost is None, "a cost nobody knows is never preferred"
            cheaper = best.cost is not None
        else:
            cheaper = best.cost.quantize(cent) < other.cost.quantize(cent)
            assert cheaper or best.cost.quantize(cent) == other.cost.quantize(cent)
        assert cheaper or best.seconds <= other.seconds


@given(CANDIDATES)
def test_network_that_is_worse_in_all_changes_nothing_but_the_list(found: list[Candidate]) -> None:
    best = choose(found).chosen
    worse = replace(best, chain_id=2**53 + 1, covered=False, cost=None, seconds=best.seconds + 1)

    assert choose([*found, worse]).chosen == best


def test_decision_says_what_decided() -> None:
    base = Candidate(8453, "tok_1", covered=True, cost=Decimal("0.004"), seconds=900)

    assert choose([base]).by == "only_one"
    assert choose([base, replace(base, chain_id=1, covered=False, cost=Decimal(0))]).by == "float"
    assert choose([base, replace(base, chain_id=1, cost=Decimal("0.90"))]).by == "cost"
    dearer_by_less_than_a_cent = replace(base, chain_id=43114, cost=Decimal("0.001"), seconds=2)
    assert choose([base, dearer_by_less_than_a_cent]).by == "speed"
    assert choose([base, replace(base, chain_id=1)]).chosen.chain_id == 1
    assert choose([base, replace(base, chain_id=1)]).shown() == {
        "by": "order",
        "reason": "All else is equal.",
        "candidates": [
            {"network": f"eip155:{chain}", "float_covers": True, "cost": "0.0040", "seconds_to_final": 900}
            for chain in (1, 8453)
        ],
    }
