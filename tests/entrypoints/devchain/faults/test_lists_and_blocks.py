"""Answers whose content is false: lists, hashes, nulls, another chain."""

from typing import Any

import pytest

from tests.entrypoints.devchain.faults.conftest import MINTS, Door


@pytest.mark.parametrize(
    ("kind", "members", "left"),
    [
        ("empty", {}, []),
        ("truncate", {}, [0, 1]),
        ("truncate", {"drop": 2}, [0]),
        ("truncate", {"drop": 9}, []),
        ("omit", {"index": 1}, [0, 2]),
        ("omit", {"index": -3}, [1, 2]),
        ("omit", {"index": 3}, [0, 1, 2]),
        ("duplicate", {}, [0, 0, 1, 1, 2, 2]),
        ("reorder", {}, [2, 1, 0]),
    ],
    ids=str,
)
async def test_list_loses_repeats_or_turns_its_entries(
    door: Door, kind: str, members: dict[str, Any], left: list[int]
) -> None:
    logs = await door.logs()
    receipts = await door.ask("eth_getBlockReceipts", hex(door.height))
    assert len(logs) == len(receipts) == MINTS

    await door.set(kind, **members)

    assert await door.logs() == [logs[at] for at in left]
    assert await door.ask("eth_getBlockReceipts", hex(door.height)) == [receipts[at] for at in left]
    await door.clear()
    assert await door.logs() == logs


@pytest.mark.parametrize("kind", ["empty", "truncate", "omit", "duplicate"])
async def test_list_can_be_bent_for_one_block_alone(door: Door, kind: str) -> None:
    data = {"to": door.token, "data": "0x06fdde03"}  # name(): no log
    await door.true("eth_sendRawTransaction", await door.raw(**data))
    await door.mine()
    logs = await door.logs()

    await door.set(kind, block=door.height + 1)
    assert await door.logs() == logs
    await door.clear()
    await door.set(kind, block=door.height)
    assert await door.logs() != logs


@pytest.mark.parametrize("field", ["blockHash", "transactionHash", "logIndex", "address", "data"])
async def test_one_field_of_one_log_is_bent(door: Door, field: str) -> None:
    logs = await door.logs()

    await door.set("bend", field=field, index=1)
    bent = await door.logs()

    assert [bent[0], bent[2]] == [logs[0], logs[2]]
    assert {name for name in logs[1] if bent[1][name] != logs[1][name]} == {field}
    if field != "logIndex":
        assert len(bent[1][field]) == len(logs[1][field])


async def test_bent_field_takes_the_value_that_was_given(door: Door) -> None:
    await door.set("bend", methods=["eth_getTransactionReceipt"], field="status", value="0x0")
    [log, *_] = await door.logs()

    assert (await door.ask("eth_getTransactionReceipt", log["transactionHash"]))["status"] == "0x0"


@pytest.mark.parametrize("field", ["hash", "parentHash"])
async def test_block_names_a_hash_that_does_not_link(door: Door, field: str) -> None:
    block = await door.ask("eth_getBlockByNumber", hex(door.height), False)

    await door.set("wrong_hash", field=field)
    bent = await door.ask("eth_getBlockByNumber", hex(door.height), False)

    assert {name for name in block if bent[name] != block[name]} == {field}
    assert (await door.ask("eth_getBlockByHash", block["hash"], False))[field] != block[field]
    assert await door.ask("eth_getBlockByNumber", "0xffffff", False) is None


async def test_chain_id_is_another_chains(door: Door) -> None:
    await door.set("wrong_chain", chain_id=10)

    assert await door.ask("eth_chainId") == "0xa"
    assert await door.ask("net_version") == "10"


async def test_lookups_answer_null(door: Door) -> None:
    [log, *_] = await door.logs()
    await door.set("null")

    assert await door.ask("eth_getTransactionReceipt", log["transactionHash"]) is None
    assert await door.ask("eth_getBlockByNumber", "latest", False) is None
    assert await door.logs() != []
