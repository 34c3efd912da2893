"""Batches whose answers are turned, left out, added or misnumbered."""

from typing import Any

from tests.entrypoints.devchain.faults.conftest import Door


def batch(*methods: str) -> list[dict[str, Any]]:
    return [{"jsonrpc": "2.0", "id": at, "method": name, "params": []} for at, name in enumerate(methods, 1)]


THREE = batch("eth_chainId", "eth_blockNumber", "net_version")


async def ids(door: Door) -> list[Any]:
    return [answer["id"] for answer in await door.post(THREE)]


async def test_batch_is_answered_back_to_front(door: Door) -> None:
    true = await door.post(THREE)
    await door.set("batch_reorder")

    assert await door.post(THREE) == true[::-1]


async def test_batch_loses_its_last_answers(door: Door) -> None:
    await door.set("batch_missing", drop=2)

    assert await ids(door) == [1]
    assert await door.post(THREE[:1]) == []


async def test_batch_gains_an_answer_to_nothing(door: Door) -> None:
    await door.set("batch_extra")

    assert len(set(await ids(door))) == 4


async def test_fault_of_batches_is_not_spent_on_a_request_of_its_own(door: Door) -> None:
    true = await door.post(THREE)
    await door.set("batch_reorder", times=1)

    assert await door.post(THREE[0]) == true[0]
    assert await door.post(THREE) == true[::-1]


async def test_answer_stands_under_an_id_nobody_used(door: Door) -> None:
    await door.set("wrong_id", methods=["eth_blockNumber"])

    assert await ids(door) == [1, "not 2", 3]


async def test_fault_hits_its_method_within_a_batch_and_no_other(door: Door) -> None:
    true = await door.post(THREE)
    await door.set("error", methods=["eth_blockNumber"], client="geth", says="unknown_block")

    told = await door.post(THREE)

    assert [told[0], told[2]] == [true[0], true[2]]
    assert told[1] == {"jsonrpc": "2.0", "id": 2, "error": {"code": -32000, "message": "header not found"}}


async def test_single_requests_and_notifications_pass_batch_faults(door: Door) -> None:
    await door.set("batch_missing", drop=1)
    assert await door.ask("eth_chainId") == "0x7a69"

    await door.clear()
    await door.set("batch_extra", times=1)
    notification = {"jsonrpc": "2.0", "method": "eth_chainId", "params": []}
    told = await door.post([notification, *THREE])
    assert [answer["id"] for answer in told[:3]] == [1, 2, 3]
