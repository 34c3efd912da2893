"""The rolling limit: never too much in any window, never refused for long."""

import random

import pytest

from tests.support.contracts import Chain
from tests.support.vault import LANE, LIMIT, WINDOW, Stage, item, payee, stage_on

SLICE = WINDOW // 8


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def left(stage: Stage) -> int:
    available: int = stage.vault.read("available", stage.token.address)
    return available


def set_limit(stage: Stage, amount: int, window: int = WINDOW) -> None:
    stage.vault.send("setLimit", stage.token.address, amount, window, by=stage.owner)


def test_limit_is_announced_and_can_be_read(stage: Stage) -> None:
    receipt = stage.vault.send("setLimit", stage.token.address, 5, 16, by=stage.owner)

    assert stage.vault.events(receipt) == [("LimitSet", stage.token.address, 5, 16)]
    assert stage.vault.read("limitOf", stage.token.address) == (5, 16)
    assert stage.vault.read("limitOf", payee(0)) == (0, 0)
    assert stage.vault.read("available", payee(0)) == 0


@pytest.mark.parametrize("window", [0, 1, 7, 12, WINDOW + 1])
def test_window_that_cannot_be_sliced_is_refused(stage: Stage, window: int) -> None:
    refusal = stage.vault.refusal("setLimit", stage.token.address, 1, window, by=stage.owner)

    assert refusal == ("InvalidWindow", window, 8)


def test_limit_counts_over_all_lanes_together(stage: Stage) -> None:
    stage.vault.send("setLane", LANE + 1, stage.stranger, by=stage.owner)
    stage.pay([item(0, LIMIT - 1, payee(0))])

    refusal = stage.refusal([item(0, 2, payee(0))], lane=LANE + 1, word=(LANE + 1) << 216, by=stage.stranger)

    assert refusal == ("LimitExceeded", stage.token.address, 2, 1)


def test_what_was_spent_comes_free_after_the_window_and_one_slice(stage: Stage) -> None:
    start = (stage.chain.now // SLICE + 2) * SLICE
    stage.chain.travel(start)
    stage.pay([item(0, LIMIT, payee(0))])

    stage.chain.travel(start + WINDOW)
    assert left(stage) == 0
    stage.chain.travel(start + WINDOW + SLICE)
    assert left(stage) == LIMIT
    stage.pay([item(1, LIMIT, payee(0))])


def test_refilled_part_by_part_as_slices_leave_the_window(stage: Stage) -> None:
    start = (stage.chain.now // SLICE + 2) * SLICE
    for number in range(9):
        stage.chain.travel(start + number * SLICE)
        stage.pay([item(number, 100 + number, payee(0))])
    spent = sum(100 + number for number in range(9))
    assert left(stage) == LIMIT - spent

    for number in range(9):
        stage.chain.travel(start + (number + 9) * SLICE)
        spent -= 100 + number
        assert left(stage) == LIMIT - spent


def test_lower_amount_counts_what_was_spent_before(stage: Stage) -> None:
    stage.pay([item(0, 1_000, payee(0))])

    set_limit(stage, 1_500)
    assert left(stage) == 500
    set_limit(stage, 900)
    assert left(stage) == 0
    assert stage.refusal([item(1, 1, payee(0))]) == ("LimitExceeded", stage.token.address, 1, 0)


def test_limit_lowered_below_what_was_spent_stops_even_batches_that_need_nothing(stage: Stage) -> None:
    stage.pay([item(0, 1_000, payee(0))])
    set_limit(stage, 999)

    again = [item(0, 1_000, payee(0))]
    assert stage.refusal(again) == ("LimitExceeded", stage.token.address, 0, 0)
    set_limit(stage, 1_000)
    stage.pay(again)


def test_changed_window_counts_what_was_spent_as_spent_now(stage: Stage) -> None:
    stage.pay([item(0, 1_000, payee(0))])
    stage.chain.travel(stage.chain.now + WINDOW // 2)

    set_limit(stage, LIMIT, 800)

    assert left(stage) == LIMIT - 1_000
    stage.chain.travel(stage.chain.now + 700)
    assert left(stage) == LIMIT - 1_000
    stage.chain.travel(stage.chain.now + 300)
    assert left(stage) == LIMIT


def test_stopped_token_pays_nothing_whatever_time_passes(stage: Stage) -> None:
    set_limit(stage, 0)
    stage.chain.travel(stage.chain.now + 2 * WINDOW)

    assert stage.refusal([item(0, 1, payee(0))]) == ("LimitExceeded", stage.token.address, 1, 0)


@pytest.mark.parametrize("seed", range(3))
def test_no_window_ever_holds_more_than_the_limit(stage: Stage, seed: int) -> None:
    """Random payouts at random times against a plain list of what was paid when."""
    choose = random.Random(seed)
    amount, window = 1_000, 80
    set_limit(stage, amount, window)
    paid: list[tuple[int, int]] = []
    for index in range(40):
        stage.chain.travel(stage.chain.now + choose.choice([1, 5, 10, 40, 100]))
        wanted = choose.randint(1, 600)
        free = left(stage)
        now = stage.chain.now
        assert free <= amount - sum(spent for at, spent in paid if at > now - window)
        assert free >= amount - sum(spent for at, spent in paid if at > now - window - window // 8)
        if wanted <= free:
            stage.pay([item(index, wanted, payee(0))])
            paid.append((stage.chain.now, wanted))
        else:
            refusal = stage.refusal([item(index, wanted, payee(0))])
            assert refusal == ("LimitExceeded", stage.token.address, wanted, free)
    assert len(paid) > 10
