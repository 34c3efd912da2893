"""Nodes that look at another chain than the true one: behind, standing still, forked, balanced."""

from typing import Any

import pytest

from tests.entrypoints.devchain.faults.conftest import MINTS, Door
from tests.support.chain import RpcFailure, local_node
from tests.support.fault_proxy import fault_proxy


async def number(door: Door, tag: str) -> int:
    return int((await door.ask("eth_getBlockByNumber", tag, False))["number"], 16)


async def test_stale_head_stands_while_all_else_is_true(any_door: Door) -> None:
    before = int(await any_door.true("eth_blockNumber"), 16)
    await any_door.set("stale_head")
    assert int(await any_door.ask("eth_blockNumber"), 16) == before
    await any_door.mine(2)

    assert int(await any_door.ask("eth_blockNumber"), 16) == before
    assert await number(any_door, "latest") == before
    assert await number(any_door, hex(before + 2)) == before + 2
    await any_door.clear()
    assert await number(any_door, "latest") == before + 2


async def test_stale_head_stands_where_it_is_told_to(door: Door) -> None:
    await door.set("stale_head", at=door.height - 1)

    assert await number(door, "latest") == door.height - 1
    balance = {"to": door.token, "data": "0x18160ddd"}  # totalSupply(): nothing was minted yet
    assert int(await door.ask("eth_call", balance, "latest"), 16) == 0
    assert int(await door.ask("eth_call", balance, hex(door.height)), 16) > 0


async def test_replica_lags_for_every_method_tag_and_hash(any_door: Door) -> None:
    true = {tag: int((await any_door.true("eth_getBlockByNumber", tag, False))["number"], 16) for tag in TAGS}
    [log, *_] = await any_door.logs()
    sender, head = any_door.signer.accounts[0].address, true["latest"]
    nonce = await any_door.ask("eth_getTransactionCount", sender, "latest")
    behind = head - any_door.height + 1  # the block with the mints is just not there yet
    await any_door.set("lag", blocks=behind)

    assert int(await any_door.ask("eth_blockNumber"), 16) == head - behind
    assert {tag: await number(any_door, tag) for tag in TAGS} == {
        t: max(0, n - behind) for t, n in true.items()
    }
    assert await any_door.ask("eth_getBlockByNumber", hex(any_door.height), False) is None
    assert await any_door.ask("eth_getBlockByHash", log["blockHash"], False) is None
    assert await any_door.ask("eth_getBlockReceipts", hex(any_door.height)) is None
    assert await any_door.ask("eth_getTransactionReceipt", log["transactionHash"]) is None
    assert await any_door.ask("eth_getTransactionByHash", log["transactionHash"]) is None
    assert await any_door.logs() == []
    assert await any_door.logs(fromBlock=hex(any_door.height), toBlock="latest") == []
    assert await any_door.logs(fromBlock="0x0", toBlock=hex(any_door.height), address=any_door.token) == []
    await refused(any_door, "unknown block", "eth_getLogs", {"blockHash": log["blockHash"]})
    supply = {"to": any_door.token, "data": "0x18160ddd"}
    await refused(any_door, "header not found", "eth_call", supply, hex(any_door.height))
    assert int(await any_door.ask("eth_call", supply, "latest"), 16) == 0
    assert int(await any_door.ask("eth_getTransactionCount", sender, "latest"), 16) == int(nonce, 16) - MINTS

    await any_door.mine(1)
    assert len(await any_door.logs()) == MINTS
    assert (await any_door.ask("eth_getTransactionReceipt", log["transactionHash"])) is not None


TAGS = ("latest", "safe", "finalized")


async def refused(door: Door, message: str, method: str, *params: Any) -> None:
    with pytest.raises(RpcFailure, match=message):
        await door.ask(method, *params)


async def test_heights_are_answered_from_another_fork(door: Door) -> None:
    head = int(await door.true("eth_blockNumber"), 16)
    async with local_node() as other:
        await other.dev.mine(head + 5)
        await door.set("other_fork", upstream=other.url, from_block=head - 1, to_block=head)

        told = [await door.ask("eth_getBlockByNumber", hex(at), False) for at in range(head - 3, head + 1)]
        true = [await door.true("eth_getBlockByNumber", hex(at), False) for at in range(head - 3, head + 1)]
        forked = [await other.rpc("eth_getBlockByNumber", hex(at), False) for at in range(head - 1, head + 1)]

        assert told == true[:2] + forked
        assert await number(door, "latest") == head
        assert (await door.ask("eth_getBlockByHash", true[3]["hash"], False)) == true[3]


async def test_two_nodes_answer_in_turn(door: Door) -> None:
    head = int(await door.true("eth_blockNumber"), 16)
    async with fault_proxy(door.truth) as behind:
        behind.set("lag", blocks=2)
        await door.set("flip_flop", upstream=behind.url)

        seen = [int(await door.ask("eth_blockNumber"), 16) for _ in range(4)]

    assert seen == [head - 2, head, head - 2, head]
