import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import BlockRef, Hash
from bascule.domain.errors import Halted
from bascule.domain.finality import (
    FinalBlockDisputed,
    FinalityPolicy,
    FinalizedBlockGone,
    Tags,
    confirmations,
    confirmations_required,
    finalized_number,
    fork_point,
)

numbers = st.integers(0, 10**9)
maybe = st.none() | numbers
policies = st.builds(FinalityPolicy, st.sampled_from(["finalized", "safe", "depth"]), st.integers(0, 200))


def block(number: int, branch: int = 0) -> BlockRef:
    return BlockRef(number, name(number, branch), name(number - 1, branch), 1_000 + number)


def name(number: int, branch: int) -> Hash:
    return Hash(branch.to_bytes(16, "big") + max(0, number).to_bytes(16, "big"))


@pytest.mark.parametrize(
    ("policy", "tags", "expected"),
    [
        (FinalityPolicy("depth", 0), Tags(), 100),
        (FinalityPolicy("depth", 64), Tags(safe=99, finalized=98), 36),
        (FinalityPolicy("safe"), Tags(safe=90, finalized=80), 90),
        (FinalityPolicy("finalized"), Tags(safe=90, finalized=80), 80),
        (FinalityPolicy("finalized"), Tags(safe=90), -1),
        (FinalityPolicy("finalized"), Tags(finalized=101), 100),
        (FinalityPolicy("depth", 101), Tags(), -1),
    ],
)
def test_the_policy_says_which_block_is_final(policy: FinalityPolicy, tags: Tags, expected: int) -> None:
    assert finalized_number(policy, 100, tags) == expected


@given(policies, st.lists(st.tuples(numbers, maybe, maybe), max_size=8))
def test_finality_never_goes_back_and_never_passes_the_highest_head(
    policy: FinalityPolicy, answers: list[tuple[int, int | None, int | None]]
) -> None:
    final = -1
    for head, safe, finalized in answers:
        after = finalized_number(policy, head, Tags(safe, finalized), final)
        assert final <= after <= max(final, head)
        final = after


@given(numbers, st.integers(0, 500), st.integers(0, 200))
def test_a_block_is_final_exactly_when_it_has_the_confirmations_required(
    number: int, ahead: int, depth: int
) -> None:
    policy, head = FinalityPolicy("depth", depth), number + ahead
    required = confirmations_required(policy)

    assert required is not None
    assert (confirmations(number, head) >= required) == (finalized_number(policy, head, Tags()) >= number)


def test_tags_promise_no_number_of_confirmations() -> None:
    assert confirmations_required(FinalityPolicy("finalized")) is None
    assert confirmations(11, 10) == 0


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 40))
def test_the_fork_point_is_the_newest_shared_block(ours: int, shared: int, height: int) -> None:
    blocks = [block(number) for number in reversed(range(ours))]

    def canonical(number: int) -> Hash | None:
        return None if number >= height else name(number, 0 if number < shared else 1)

    newest = min(ours, shared, height) - 1
    assert fork_point(blocks, canonical) == (block(newest) if newest >= 0 else None)


@pytest.mark.parametrize(
    "error", [FinalizedBlockGone(finalized_number=10, height=9), FinalBlockDisputed(number=10)]
)
def test_doubt_about_a_final_block_asks_for_a_person_and_names_it(error: Halted) -> None:
    assert isinstance(error, Halted)
    assert "block 10" in str(error)
