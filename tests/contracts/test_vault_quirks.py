"""PayoutVault against tokens that misbehave: what it believes, what it refuses, what it never does."""

from typing import Any

import pytest

from tests.support.contracts import Chain, Contract, Receipt, refusal_of
from tests.support.vault import FLOAT, LANE, LIMIT, Stage, item, payee, stage_on, word_of

WORD = word_of(LANE)
ONE, TWO = item(0, 10, payee(0)), item(1, 10, payee(1))


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def outcome(stage: Stage, receipt: Receipt) -> tuple[int, int]:
    """The attempted and the refused bits of the batch."""
    *_, (_, _, _, _, _, attempted, refused) = stage.vault.events(receipt)
    return attempted, refused


def refusals(stage: Stage, receipt: Receipt) -> list[tuple[Any, ...]]:
    return [event for event in stage.vault.events(receipt) if event[0] == "PayoutRefused"]


def transfers(token: Contract, receipt: Receipt) -> list[tuple[Any, ...]]:
    return [event[1:] for event in token.events(receipt) if event[0] == "Transfer"]


@pytest.mark.parametrize("name", ["ReturnsNothing", "EighteenDecimals", "ReturnsAtLength"])
def test_token_that_moves_and_does_not_deny_it_counts_as_paid(stage: Stage, name: str) -> None:
    token = stage.quirk(name)

    receipt = stage.pay([ONE, TWO], token=token.address)

    assert outcome(stage, receipt) == (0b11, 0)
    assert [stage.held(payee(i), token) for i in range(2)] == [10, 10]


def test_token_that_returns_false_counts_as_refusing(stage: Stage) -> None:
    token = stage.quirk("RefusesWithFalse")

    receipt = stage.pay([ONE], token=token.address)

    assert refusals(stage, receipt) == [("PayoutRefused", WORD << 8, bytes(32))]
    assert outcome(stage, receipt) == (1, 1)


def test_token_that_lies_about_a_refusal_does_not_stretch_the_limit(stage: Stage) -> None:
    token = stage.quirk("MovesAndReturnsFalse")

    receipt = stage.pay([item(0, LIMIT, payee(0))], token=token.address)

    assert stage.held(payee(0), token) == LIMIT
    assert outcome(stage, receipt) == (1, 1)
    assert stage.refusal([item(1, 1, payee(0))], token=token.address) == (
        "LimitExceeded", token.address, 1, 0,
    )  # fmt: skip


def test_refused_payout_that_moved_is_seen_by_its_transfer_log_and_never_repeated(stage: Stage) -> None:
    token = stage.quirk("MovesAndReturnsFalse")

    first = stage.pay([ONE], token=token.address)
    again = stage.pay([ONE], token=token.address)

    assert transfers(token, first) == [(stage.vault.address, payee(0), 10)]
    assert (transfers(token, again), outcome(stage, again)) == ([], (0, 0))
    assert stage.held(payee(0), token) == 10


def test_transfer_log_without_a_move_leaves_the_float_where_it_was(stage: Stage) -> None:
    token = stage.quirk("LogsWithoutMoving")

    receipt = stage.pay([ONE], token=token.address)

    assert transfers(token, receipt) == [(stage.vault.address, payee(0), 10)]
    assert (stage.held(payee(0), token), stage.held(stage.vault.address, token)) == (0, FLOAT)
    assert stage.vault.read("used", WORD << 8)


def test_fee_on_transfer_shows_as_a_second_log_and_costs_the_float_no_more(stage: Stage) -> None:
    token = stage.quirk("TakesFee")
    collector = token.read("COLLECTOR")

    receipt = stage.pay([item(0, 1_000, payee(0))], token=token.address)

    assert transfers(token, receipt) == [
        (stage.vault.address, payee(0), 990), (stage.vault.address, collector, 10),
    ]  # fmt: skip
    assert stage.held(stage.vault.address, token) == FLOAT - 1_000


@pytest.mark.parametrize("method", ["pay", "cancel", "withdraw"])
def test_reentrant_token_is_turned_away_by_the_lock(stage: Stage, method: str) -> None:
    token = reentrant(stage, method, hides_failure=False)

    receipt = stage.pay([ONE], token=token.address)

    ((_, _, reason),) = refusals(stage, receipt)
    assert refusal_of(stage.vault.compiled, reason) == ("ReentrancyGuardReentrantCall",)
    assert stage.held(payee(0), token) == 0


@pytest.mark.parametrize("method", ["pay", "cancel", "withdraw"])
def test_reentrant_token_that_hides_its_failure_gets_one_payment_only(stage: Stage, method: str) -> None:
    token = reentrant(stage, method, hides_failure=True)

    receipt = stage.pay([ONE], token=token.address)

    answer = token.read("lastAnswer")
    assert refusal_of(stage.vault.compiled, answer) == ("ReentrancyGuardReentrantCall",)
    assert outcome(stage, receipt) == (1, 0)
    assert stage.held(stage.vault.address, token) == FLOAT - 10
    assert stage.vault.read("usedMask", WORD) == 1
    assert stage.vault.read("head", 8) == bytes(32)


def reentrant(stage: Stage, method: str, *, hides_failure: bool) -> Contract:
    """A token that calls back into the vault, and has the role that may."""
    token = stage.quirk("Reenters")
    stage.vault.send("setLane", 8, token.address, by=stage.owner)
    stage.vault.send("setCanceller", token.address, by=stage.owner)
    arguments = {
        "pay": stage.batch([ONE], lane=8, token=token.address),
        "cancel": ([WORD << 8 | 1],),
        "withdraw": (token.address, 1),
    }[method]
    callback = stage.vault.compiled.calldata(method, *arguments)
    token.send("setCallback", stage.vault.address, callback, hides_failure, by=stage.owner)
    return token


def test_vault_barred_in_the_middle_of_a_batch_uses_every_id_and_pays_some(stage: Stage) -> None:
    token = stage.quirk("BlacklistsMidBatch")
    token.send("setLeft", 2, by=stage.owner)

    receipt = stage.pay([item(i, 10, payee(i)) for i in range(4)], token=token.address)

    assert outcome(stage, receipt) == (0b1111, 0b1100)
    assert [one[1] for one in refusals(stage, receipt)] == [WORD << 8 | 2, WORD << 8 | 3]
    assert refusal_of(token.compiled, refusals(stage, receipt)[0][2]) == ("Blacklisted", stage.vault.address)
    assert stage.held(stage.vault.address, token) == FLOAT - 20


@pytest.mark.parametrize(
    "answer",
    [bytes(32), bytes(31) + b"\x02", b"\x01" + bytes(31), b"\xff" * 32, b"\xff" * 64, b"\x01", b"\xff" * 31],
    ids=["false", "two", "one on the left", "all ones", "two words", "one byte", "31 bytes"],
)
def test_answer_that_is_not_true_counts_as_refusing_and_is_kept(stage: Stage, answer: bytes) -> None:
    token = stage.quirk("ReturnsBytes")
    token.send("setAnswer", answer, False, by=stage.owner)

    receipt = stage.pay([ONE], token=token.address)

    assert refusals(stage, receipt) == [("PayoutRefused", WORD << 8, answer)]
    assert stage.held(payee(0), token) == 0


def test_answer_cut_short_is_completed_by_bytes_of_the_payee(stage: Stage) -> None:
    """With 31 bytes the word that is read ends with the payee's 16th byte, so that one in 256 reads as true.

    Such a token could as well say true; its Transfer log tells either way.
    """
    token = stage.quirk("ReturnsBytes")
    token.send("setAnswer", bytes(31), False, by=stage.owner)
    lucky = payee(0)[:15] + b"\x01" + payee(0)[16:]

    receipt = stage.pay([item(0, 10, lucky), item(1, 10, payee(0))], token=token.address)

    assert outcome(stage, receipt) == (0b11, 0b10)
    assert transfers(token, receipt) == []


def test_true_with_more_bytes_behind_it_counts_as_paid(stage: Stage) -> None:
    token = stage.quirk("ReturnsBytes")
    token.send("setAnswer", bytes(31) + b"\x01" + b"\xff" * 40, True, by=stage.owner)

    assert outcome(stage, stage.pay([ONE], token=token.address)) == (1, 0)


def test_long_answers_are_not_paid_for_by_the_vault(stage: Stage) -> None:
    """The token's own memory costs what it costs; copying 100,000 bytes would cost 29,000 more."""
    token = stage.quirk("RevertsAtLength")
    gas: list[int] = []
    for length in (256, 100_000):
        token.send("setLength", length, by=stage.owner)
        alone = stage.chain.send(token.address, transfer_of(token), by=stage.owner).gas_used
        index = len(gas)
        receipt = stage.pay([item(index, 10, payee(0))], token=token.address)
        assert refusals(stage, receipt) == [("PayoutRefused", WORD << 8 | index, bytes(256))]
        gas.append(receipt.gas_used - alone)

    assert gas[1] - gas[0] < 1_000


def transfer_of(token: Contract) -> bytes:
    return token.compiled.calldata("transfer", payee(0), 10)


def test_token_that_burns_its_gas_is_refused_or_reverts_the_whole_batch(stage: Stage) -> None:
    token = stage.quirk("BurnsGas")

    refusal = stage.refusal([ONE, TWO], token=token.address, gas=3_000_000)
    assert refusal is not None
    assert refusal[0] == "GasBelowFloor"
    assert refusal[1] < refusal[2] == 200_000

    receipt = stage.pay([ONE], token=token.address, gas=3_000_000)
    assert stage.vault.events(receipt)[0] == ("PayoutRefused", WORD << 8, b"")


def test_token_whose_code_answers_nothing_any_more_reverts_the_whole_batch(stage: Stage) -> None:
    token = stage.quirk("Vanishes")
    token.send("setLeft", 0, by=stage.owner)
    data = stage.vault.compiled.calldata("pay", *stage.batch([ONE], token=token.address))

    assert not stage.chain.send(stage.vault.address, data, by=stage.operator).ok
    assert stage.vault.read("usedMask", WORD) == 0


def test_token_that_vanishes_in_the_middle_of_a_batch_is_told_by_missing_logs(stage: Stage) -> None:
    token = stage.quirk("Vanishes")
    token.send("setLeft", 1, by=stage.owner)

    receipt = stage.pay([ONE, TWO], token=token.address)

    assert outcome(stage, receipt) == (0b11, 0)
    assert transfers(token, receipt) == [(stage.vault.address, payee(0), 10)]


def test_token_that_shrank_reverts_the_whole_batch(stage: Stage) -> None:
    token = stage.quirk("Rebases")
    token.send("rebase", 50, by=stage.owner)

    refusal = stage.refusal([item(0, FLOAT // 2 + 1, payee(0))], token=token.address)

    assert refusal == ("BalanceBelowSum", token.address, FLOAT // 2, FLOAT // 2 + 1)


def test_token_that_grew_pays_in_its_new_units(stage: Stage) -> None:
    token = stage.quirk("Rebases")
    token.send("rebase", 200, by=stage.owner)

    stage.pay([ONE], token=token.address)

    assert (stage.held(payee(0), token), stage.held(stage.vault.address, token)) == (10, 2 * FLOAT - 10)
