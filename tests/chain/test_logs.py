"""The whole of a block's logs, or none of them."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bascule.chain import erc20
from bascule.chain.bloom import bloom_of
from bascule.chain.errors import IncompleteAnswer, WrongShape
from bascule.chain.heads import Header
from bascule.chain.logs import _Log, whole
from bascule.domain.chain import BlockRef, Hash

TOKEN, ALICE, BOB = bytes([7]) * 20, bytes([1]) * 20, bytes([2]) * 20
BLOCK, TX = Hash(bytes([9]) * 32), bytes([5]) * 32


def topic(address: bytes) -> bytes:
    return bytes(12) + address


def raw(index: int, amount: int = 5, **changes: Any) -> dict[str, Any]:
    log = {
        "address": "0x" + TOKEN.hex(),
        "topics": ["0x" + t.hex() for t in (erc20.TRANSFER, topic(ALICE), topic(BOB))],
        "data": "0x" + amount.to_bytes(32, "big").hex(),
        "blockHash": "0x" + BLOCK.hex(),
        "blockNumber": "0x10",
        "transactionHash": "0x" + TX.hex(),
        "transactionIndex": "0x0",
        "logIndex": hex(index),
        "removed": False,
    }
    return {**log, **changes}


BLOOM = bloom_of([TOKEN, erc20.TRANSFER, topic(ALICE), topic(BOB)])
HEADER = Header(BlockRef(16, BLOCK, Hash(bytes(32)), 1_700_000_000), BLOOM)


def read(*logs: dict[str, Any]) -> Any:
    return whole(HEADER, msgspec.convert(list(logs), list[_Log]))


def test_complete_logs_come_back_in_block_order() -> None:
    assert [log.index for log in read(raw(1), raw(0), raw(2))] == [0, 1, 2]


def test_an_emptied_answer_contradicts_the_bloom() -> None:
    with pytest.raises(IncompleteAnswer, match="bloom"):
        read()


def test_an_empty_block_with_an_empty_bloom_is_whole() -> None:
    assert whole(replace(HEADER, bloom=bytes(256)), []) == []


@pytest.mark.parametrize("indexes", [(0, 2), (1,), (0, 0), (1, 2)])
def test_a_hole_or_a_repetition_in_the_indexes_is_refused(indexes: tuple[int, ...]) -> None:
    with pytest.raises(IncompleteAnswer, match="indexes"):
        read(*(raw(index) for index in indexes))


def test_a_shortened_answer_contradicts_the_bloom() -> None:
    more = bloom_of([TOKEN, erc20.TRANSFER, topic(ALICE), topic(BOB), topic(TOKEN)])

    with pytest.raises(IncompleteAnswer, match="bloom"):
        whole(replace(HEADER, bloom=more), msgspec.convert([raw(0)], list[_Log]))


@pytest.mark.parametrize(
    "changes",
    [
        {"blockHash": "0x" + "00" * 32},
        {"blockNumber": "0x11"},
        {"removed": True},
        {"logIndex": "0xzz"},
        {"logIndex": ""},
        {"transactionHash": "0x1234"},
        {"address": "0x" + "00" * 19},
        {"address": "7" * 42},
        {"data": "0x1"},
        {"topics": ["0x" + "00" * 32] * 5},
        {"topics": ["0x00"]},
    ],
)
def test_a_log_that_is_not_of_this_block_or_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongShape):
        read(raw(0, **changes))


@pytest.mark.parametrize("member", ["blockHash", "logIndex", "topics", "data", "transactionHash"])
def test_a_log_with_a_null_is_refused(member: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(raw(0, **{member: None}))
