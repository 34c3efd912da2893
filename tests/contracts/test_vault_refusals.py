"""PayoutVault.pay, whole or nothing: each reason to revert, with both sides in the error."""

import pytest

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain
from tests.support.vault import FLOAT, LANE, LIMIT, WINDOW, ZERO, Stage, item, payee, stage_on, tag, word_of

ONE = item(0, 10, payee(0))


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_paused_vault_pays_nothing_until_unpaused(stage: Stage) -> None:
    stage.vault.send("pause", by=stage.guardian)
    assert stage.refusal([ONE]) == ("EnforcedPause",)

    stage.vault.send("unpause", by=stage.owner)
    stage.pay([ONE])


def test_only_the_operator_of_the_lane_may_pay(stage: Stage) -> None:
    assert stage.refusal([ONE], by=stage.owner) == ("NotOperator", stage.owner, stage.operator)


def test_lane_without_an_operator_is_closed(stage: Stage) -> None:
    assert stage.refusal([ONE], lane=8) == ("NotOperator", stage.operator, bytes(20))


def test_retired_lane_pays_nothing(stage: Stage) -> None:
    stage.vault.send("retireLane", LANE, by=stage.guardian)

    assert stage.refusal([ONE]) == ("LaneIsRetired", LANE)


def test_stale_head_pays_nothing(stage: Stage) -> None:
    stage.pay([ONE])

    assert stage.refusal([item(1, 10, payee(1))], head=ZERO) == (
        "HeadMismatch", LANE, ZERO, stage.vault.read("head", LANE),
    )  # fmt: skip


def test_same_transaction_content_cannot_run_twice(stage: Stage) -> None:
    arguments = stage.batch([ONE])
    stage.vault.send("pay", *arguments, by=stage.operator)
    head = stage.vault.read("head", LANE)

    assert stage.vault.refusal("pay", *arguments, by=stage.operator) == ("HeadMismatch", LANE, ZERO, head)


def test_batch_that_runs_again_costs_its_gas_and_nothing_else(stage: Stage) -> None:
    """The same words, which its head refuses; and its used ids under the head of now, which are skipped."""
    items = [item(i, 10, payee(i)) for i in range(100)]
    arguments = stage.batch(items)
    stage.vault.send("pay", *arguments, by=stage.operator)
    held = stage.held(stage.vault.address)

    same = stage.chain.send(
        stage.vault.address, stage.vault.compiled.calldata("pay", *arguments), by=stage.operator
    )
    skipped = stage.pay(items)

    assert (same.ok, same.logs, skipped.ok) == (False, [], True)
    assert [event[0] for event in stage.vault.events(skipped)] == ["BatchPaid"]
    assert stage.held(stage.vault.address) == held
    assert max(same.gas_used, skipped.gas_used) < 210_000  # 2,100 an item, nearly all of it calldata


def test_head_from_the_future_pays_nothing(stage: Stage) -> None:
    future = keccak(b"a batch this chain never saw")

    assert stage.refusal([ONE], head=future) == ("HeadMismatch", LANE, future, ZERO)


@pytest.mark.parametrize("word", [word_of(LANE + 1), 0, word_of(LANE) | 1 << 248])
def test_word_of_another_lane_is_refused(stage: Stage, word: int) -> None:
    assert stage.refusal([ONE], word=word) == ("WordNotOfLane", word, LANE)


def test_batch_runs_at_its_deadline_and_not_after(stage: Stage) -> None:
    now = stage.chain.now

    assert stage.refusal([ONE], deadline=now - 1) == ("DeadlinePassed", now - 1, now)
    stage.chain.call(
        stage.vault.address,
        stage.vault.compiled.calldata("pay", *stage.batch([ONE], deadline=now)),
        by=stage.operator,
    )


def test_batch_without_items_is_refused(stage: Stage) -> None:
    assert stage.refusal([]) == ("EmptyBatch",)


@pytest.mark.parametrize("tags", [0, 2])
def test_tags_must_be_as_many_as_items(stage: Stage, tags: int) -> None:
    assert stage.refusal([ONE], tags=[tag(i) for i in range(tags)]) == ("LengthMismatch", 1, tags)


@pytest.mark.parametrize(
    ("indexes", "error"), [((4, 4), (1, 4, 5)), ((4, 2), (1, 2, 5)), ((0, 255, 0), (2, 0, 256))]
)
def test_indexes_must_rise_strictly(stage: Stage, indexes: tuple[int, ...], error: tuple[int, ...]) -> None:
    items = [item(index, 1, payee(0)) for index in indexes]

    assert stage.refusal(items) == ("IndexNotRising", *error)


def test_more_items_than_a_word_holds_cannot_rise(stage: Stage) -> None:
    items = [item(index, 1, payee(0)) for index in (*range(256), 255)]

    assert stage.refusal(items) == ("IndexNotRising", 256, 255, 256)


def test_order_is_demanded_of_used_items_too(stage: Stage) -> None:
    stage.pay([ONE])

    assert stage.refusal([ONE, ONE]) == ("IndexNotRising", 1, 0, 1)


def test_token_without_code_is_refused(stage: Stage) -> None:
    assert stage.refusal([ONE], token=payee(9)) == ("TokenWithoutCode", payee(9))


def test_balance_must_cover_the_whole_batch(stage: Stage) -> None:
    items = [item(0, FLOAT, payee(0)), item(1, 1, payee(1))]

    assert stage.refusal(items) == ("BalanceBelowSum", stage.token.address, FLOAT, FLOAT + 1)


def test_used_items_need_no_balance(stage: Stage) -> None:
    stage.vault.send("cancel", [word_of(LANE) << 8], by=stage.canceller)

    stage.pay([item(0, FLOAT, payee(0)), item(1, 1, payee(1))])

    assert (stage.held(payee(0)), stage.held(payee(1))) == (0, 1)


def test_limit_must_cover_the_whole_batch(stage: Stage) -> None:
    stage.pay([item(0, 1, payee(0))])
    items = [item(1, LIMIT - 1, payee(0)), item(2, 1, payee(1))]

    assert stage.refusal(items) == ("LimitExceeded", stage.token.address, LIMIT, LIMIT - 1)


def test_token_without_a_limit_cannot_be_paid(stage: Stage) -> None:
    token = stage.chain.deploy("quirks/PlainToken")
    token.send("mint", stage.vault.address, 100, by=stage.owner)

    assert stage.refusal([ONE], token=token.address) == ("LimitExceeded", token.address, 10, 0)


def test_too_little_gas_reverts_instead_of_passing_for_a_refusal(stage: Stage) -> None:
    items = [item(i, 1, payee(i)) for i in range(3)]
    enough = stage.pay(items).gas_used + 200_000

    later = [item(i + 3, 1, payee(i + 3)) for i in range(3)]
    refusal = stage.refusal(later, gas=enough - 100_000)
    assert refusal is not None
    assert (refusal[0], refusal[2]) == ("GasBelowFloor", 200_000)
    assert refusal[1] < 200_000
    receipt = stage.pay(later, gas=enough)
    assert stage.vault.events(receipt)[0][5:] == (0b111000, 0)


def test_each_of_the_vaults_limits_counts_for_its_own_token(stage: Stage) -> None:
    other = stage.quirk("ReturnsNothing")
    stage.pay([item(0, LIMIT, payee(0))])

    stage.pay([item(1, LIMIT, payee(0))], token=other.address)

    assert stage.vault.read("available", other.address) == 0
    assert stage.vault.read("limitOf", other.address) == (LIMIT, WINDOW)


def test_used_items_need_no_limit(stage: Stage) -> None:
    stage.vault.send("cancel", [word_of(LANE) << 8], by=stage.canceller)

    stage.pay([item(0, LIMIT, payee(0)), item(1, LIMIT, payee(1))])

    assert (stage.held(payee(0)), stage.held(payee(1))) == (0, LIMIT)
