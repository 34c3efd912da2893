"""Answers whose content is false: lists, hashes, nulls, another chain."""

from typing import Any

from tests.entrypoints.devchain.faults.conftest import MINTS, Door

# What is left of three entries.
LISTS: list[tuple[dict[str, Any], list[int]]] = [
    ({"kind": "empty"}, []),
    ({"kind": "truncate"}, [0, 1]),
    ({"kind": "truncate", "drop": 2}, [0]),
    ({"kind": "truncate", "drop": 9}, []),
    ({"kind": "omit", "index": 1}, [0, 2]),
    ({"kind": "omit", "index": -3}, [1, 2]),
    ({"kind": "omit", "index": 3}, [0, 1, 2]),
    ({"kind": "duplicate"}, [0, 0, 1, 1, 2, 2]),
    ({"kind": "reorder"}, [2, 1, 0]),
]


async def test_list_loses_repeats_or_turns_its_entries(door: Door) -> None:
    logs = await door.logs()
    receipts = await door.ask("eth_getBlockReceipts", hex(door.height))
    assert len(logs) == len(receipts) == MINTS

    for fault, left in LISTS:
        await door.set(**fault)
        assert await door.logs() == [logs[at] for at in left], fault
        assert await door.ask("eth_getBlockReceipts", hex(door.height)) == [receipts[at] for at in left]
        await door.clear()
    assert await door.logs() == logs


async def test_list_can_be_bent_for_one_block_alone(door: Door) -> None:
    logs = await door.logs()

    for kind in ("empty", "truncate", "omit", "duplicate"):
        await door.set(kind, block=door.height + 1)
        assert await door.logs() == logs, kind
        await door.clear()
        await door.set(kind, block=door.height)
        assert await door.logs() != logs, kind
        await door.clear()


async def test_one_field_of_one_log_is_bent(door: Door) -> None:
    logs = await door.logs()

    for field in ("blockHash", "transactionHash", "logIndex", "address", "data"):
        await door.set("bend", field=field, index=1)
        bent = await door.logs()
        assert [bent[0], bent[2]] == [logs[0], logs[2]]
        assert {name for name in logs[1] if bent[1][name] != logs[1][name]} == {field}
        assert len(bent[1][field]) == len(logs[1][field])
        await door.clear()


async def test_bent_field_takes_the_value_that_was_given(door: Door) -> None:
    await door.set("bend", methods=["eth_getTransactionReceipt"], field="status", value="0x0")
    [log, *_] = await door.logs()

    assert (await door.ask("eth_getTransactionReceipt", log["transactionHash"]))["status"] == "0x0"


async def test_block_names_a_hash_that_does_not_link(door: Door) -> None:
    block = await door.ask("eth_getBlockByNumber", hex(door.height), False)

    for field in ("hash", "parentHash"):
        await door.set("wrong_hash", field=field)
        bent = await door.ask("eth_getBlockByNumber", hex(door.height), False)
        assert {name for name in block if bent[name] != block[name]} == {field}
        assert (await door.ask("eth_getBlockByHash", block["hash"], False))[field] != block[field]
        assert await door.ask("eth_getBlockByNumber", "0xffffff", False) is None
        await door.clear()


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
