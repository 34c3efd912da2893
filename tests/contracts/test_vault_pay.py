"""PayoutVault.pay: what it pays, what it skips, what the token refuses."""

import pytest
from eth_abi.abi import decode

from bascule.domain.hashing import keccak
from tests.support.contracts import Chain, refusal_of
from tests.support.vault import (
    FLOAT,
    FOREVER,
    LANE,
    LIMIT,
    WINDOW,
    ZERO,
    Stage,
    item,
    pay_calldata,
    payee,
    selector_of,
    stage_on,
    tag,
    word_of,
)

WORD = word_of(LANE)


@pytest.fixture(scope="module")
def stage(chain: Chain) -> Stage:
    return stage_on(chain)


def test_batch_pays_each_payee_and_states_what_it_attempted(stage: Stage) -> None:
    receipt = stage.pay([item(0, 100, payee(0)), item(3, 250, payee(1)), item(255, 7, payee(2))])

    mask = 1 | 1 << 3 | 1 << 255
    assert [stage.held(payee(i)) for i in range(3)] == [100, 250, 7]
    assert stage.held(stage.vault.address) == FLOAT - 357
    assert stage.vault.events(receipt) == [
        ("BatchPaid", LANE, stage.vault.read("head", LANE), stage.token.address, WORD, mask, 0)
    ]
    assert stage.vault.read("usedMask", WORD) == mask
    assert [stage.vault.read("used", WORD << 8 | i) for i in (0, 1, 3, 255)] == [True, False, True, True]


def test_transfers_follow_the_order_of_the_items(stage: Stage) -> None:
    receipt = stage.pay([item(i, 10 + i, payee(i)) for i in (2, 5, 9)])

    assert stage.token.events(receipt) == [
        ("Transfer", stage.vault.address, payee(i), 10 + i) for i in (2, 5, 9)
    ]


def test_head_after_a_batch_is_the_hash_of_its_calldata(stage: Stage) -> None:
    first = pay_calldata(stage.token.address, LANE, ZERO, WORD, [item(0, 5, payee(0))], [tag(0)], FOREVER)
    assert stage.chain.send(stage.vault.address, first, by=stage.operator).ok
    assert stage.vault.read("head", LANE) == keccak(first)

    items, tags = [item(1, 6, payee(1)), item(4, 7, payee(2))], [tag(1), tag(2)]
    second = pay_calldata(stage.token.address, LANE, keccak(first), WORD, items, tags, FOREVER)
    assert stage.chain.send(stage.vault.address, second, by=stage.operator).ok
    assert stage.vault.read("head", LANE) == keccak(second)


def test_heads_of_lanes_move_apart_from_each_other(stage: Stage) -> None:
    stage.vault.send("setLane", 8, stage.stranger, by=stage.owner)
    stage.pay([item(0, 5, payee(0))])

    assert stage.vault.read("head", 8) == ZERO
    stage.pay([item(0, 5, payee(0))], lane=8, by=stage.stranger)
    assert stage.held(payee(0)) == 10


def test_written_calldata_equals_what_the_abi_encodes(stage: Stage) -> None:
    items, tags = [item(1, 2**88 - 1, payee(0)), item(255, 1, payee(1))], [tag(0), tag(1)]
    arguments = (stage.token.address, LANE, keccak(b"head"), WORD, items, tags, 1_800_000_000)

    assert pay_calldata(*arguments) == stage.vault.compiled.calldata("pay", *arguments)


def test_paid_id_is_skipped_when_it_is_presented_again(stage: Stage) -> None:
    stage.pay([item(0, 100, payee(0))])

    receipt = stage.pay([item(0, 100, payee(0)), item(1, 50, payee(1))])

    assert (stage.held(payee(0)), stage.held(payee(1))) == (100, 50)
    (paid,) = stage.vault.events(receipt)
    assert paid[5:] == (0b10, 0)


def test_batch_of_used_ids_moves_nothing_but_the_head(stage: Stage) -> None:
    stage.pay([item(0, 100, payee(0))])
    before = stage.vault.read("head", LANE)

    receipt = stage.pay([item(0, 100, payee(0))])

    assert stage.token.events(receipt) == []
    assert stage.vault.read("head", LANE) != before
    assert stage.vault.events(receipt)[0][5:] == (0, 0)


def test_canceled_id_is_never_paid_afterwards(stage: Stage) -> None:
    stage.vault.send("cancel", [WORD << 8 | 1], by=stage.canceller)

    stage.pay([item(0, 100, payee(0)), item(1, 50, payee(1))])

    assert (stage.held(payee(0)), stage.held(payee(1))) == (100, 0)


def test_whole_word_is_paid_in_one_batch_within_the_transaction_gas_cap(stage: Stage) -> None:
    receipt = stage.pay([item(i, 1 + i, payee(i)) for i in range(256)], gas=2**24)

    assert stage.vault.read("usedMask", WORD) == 2**256 - 1
    assert len(stage.token.events(receipt)) == 256
    assert stage.held(payee(255)) == 256


def test_largest_amount_an_item_can_carry_is_paid(stage: Stage) -> None:
    stage.token.send("mint", stage.vault.address, 2**88, by=stage.owner)
    stage.vault.send("setLimit", stage.token.address, 2**96 - 1, WINDOW, by=stage.owner)

    stage.pay([item(0, 2**88 - 1, payee(0))])

    assert stage.held(payee(0)) == 2**88 - 1


def test_refusal_by_the_token_names_the_payout_and_pays_the_others(stage: Stage) -> None:
    stage.token.send("blacklist", payee(1), by=stage.owner)

    receipt = stage.pay([item(i, 10, payee(i)) for i in range(3)])

    refused, paid = stage.vault.events(receipt)
    assert refused[:2] == ("PayoutRefused", WORD << 8 | 1)
    assert refusal_of(stage.token.compiled, refused[2]) == ("AccountBlacklisted", payee(1))
    assert paid[5:] == (0b111, 0b010)
    assert [stage.held(payee(i)) for i in range(3)] == [10, 0, 10]


def test_refused_id_stays_used_after_the_token_changes_its_mind(stage: Stage) -> None:
    stage.token.send("blacklist", payee(0), by=stage.owner)
    stage.pay([item(0, 10, payee(0))])
    stage.token.send("unBlacklist", payee(0), by=stage.owner)

    stage.pay([item(0, 10, payee(0))])

    assert stage.held(payee(0)) == 0


def test_reverted_batch_leaves_no_trace(stage: Stage) -> None:
    data = stage.vault.compiled.calldata("pay", *stage.batch([item(0, FLOAT + 1, payee(0))]))

    receipt = stage.chain.send(stage.vault.address, data, by=stage.operator)

    assert not receipt.ok
    assert stage.vault.read("head", LANE) == ZERO
    assert stage.vault.read("usedMask", WORD) == 0


def test_batch_may_use_the_float_and_the_limit_to_the_last_unit(stage: Stage) -> None:
    stage.vault.send("withdraw", stage.token.address, FLOAT - LIMIT, by=stage.owner)

    stage.pay([item(0, LIMIT - 1, payee(0)), item(1, 1, payee(1))])

    assert stage.held(stage.vault.address) == 0


def test_tags_stand_in_calldata_alone(stage: Stage) -> None:
    """Other tags change the head and nothing else that the chain keeps."""
    data = stage.vault.compiled.calldata("pay", *stage.batch([item(0, 1, payee(0))]))

    assert decode(["bytes16[]"], bytes(31) + b"\x20" + data[-64:])[0] == (tag(0),)
    assert selector_of("pay(address,uint32,bytes32,uint256,uint256[],bytes16[],uint64)") == data[:4]


def test_head_moves_even_when_the_token_refuses_everything(stage: Stage) -> None:
    stage.token.send("blacklist", payee(0), by=stage.owner)

    receipt = stage.pay([item(0, 10, payee(0))])

    assert stage.vault.read("head", LANE) == stage.vault.events(receipt)[-1][2] != ZERO
    assert stage.vault.read("used", WORD << 8)
