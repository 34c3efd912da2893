"""A reorg replaces the last blocks in one step; transactions come back unless they are dropped."""

import asyncio
from typing import Any

import pytest
from eth_account import Account

from bascule.entrypoints.devchain.accounts import DevAccount
from bascule.entrypoints.devchain.errors import INVALID_PARAMS
from tests.support.chain import LocalNode, RpcFailure


async def hashes(node: LocalNode) -> list[str]:
    head = int(await node.rpc("eth_blockNumber"), 16)
    return [(await node.rpc("eth_getBlockByNumber", hex(n)))["hash"] for n in range(head + 1)]


async def pay(node: LocalNode, index: int = 0) -> str:
    return await node.send(node.accounts[index], to=node.accounts[9].address, value=1)


@pytest.mark.parametrize("depth", [1, 2, 7, 20])
async def test_fork_is_one_higher_and_every_replaced_hash_differs(node: LocalNode, depth: int) -> None:
    await node.dev.mine(22)
    old = await hashes(node)

    head = await node.rpc("bascule_reorg", {"depth": depth})

    new = await hashes(node)
    assert int(head["number"], 16) == 23
    assert new[: 23 - depth] == old[: 23 - depth]
    assert not set(new[23 - depth :]) & set(old)
    assert await node.rpc("eth_getBlockByHash", old[-1]) is None
    parents = [(await node.rpc("eth_getBlockByHash", h))["parentHash"] for h in new[1:]]
    assert parents == new[:-1]


async def test_transaction_of_a_replaced_block_comes_back_in_another_block(node: LocalNode) -> None:
    tx_hash = await pay(node)
    await node.dev.mine(2)
    before = await node.rpc("eth_getTransactionReceipt", tx_hash)

    await node.rpc("bascule_reorg", {"depth": 2})

    after = await node.rpc("eth_getTransactionReceipt", tx_hash)
    assert (before["blockNumber"], after["blockNumber"]) == ("0x1", "0x3")
    assert after["blockHash"] != before["blockHash"]
    assert await node.rpc("eth_getBalance", node.accounts[9].address) == hex(10**24 + 1)
    assert await node.rpc("eth_getBlockReceipts", before["blockHash"]) is None


async def test_dropped_transaction_is_gone_until_it_is_sent_again(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[9].address, value=1)
    tx_hash = await node.rpc("eth_sendRawTransaction", raw)
    await node.dev.mine()

    await node.rpc("bascule_reorg", {"depth": 1, "drop": [tx_hash]})

    assert await node.rpc("eth_getTransactionReceipt", tx_hash) is None
    assert await node.rpc("eth_getTransactionByHash", tx_hash) is None
    assert await node.rpc("eth_getTransactionCount", node.accounts[0].address, "pending") == "0x0"
    assert await node.rpc("eth_getBalance", node.accounts[9].address) == hex(10**24)
    assert await node.rpc("eth_sendRawTransaction", raw) == tx_hash
    await node.dev.mine()
    assert (await node.rpc("eth_getTransactionReceipt", tx_hash))["blockNumber"] == "0x3"


async def test_what_follows_a_dropped_nonce_waits_behind_the_gap(node: LocalNode) -> None:
    first, second = await pay(node), await pay(node)
    await node.dev.mine()

    await node.rpc("bascule_reorg", {"depth": 1, "drop": [first]})

    assert await node.rpc("eth_getTransactionReceipt", second) is None
    waiting = await node.rpc("eth_getTransactionByHash", second)
    assert waiting["blockHash"] is None


async def test_waiting_transaction_is_mined_by_the_fork_and_can_be_dropped_too(node: LocalNode) -> None:
    await node.dev.mine()
    kept, dropped = await pay(node, 0), await pay(node, 1)

    await node.rpc("bascule_reorg", {"depth": 1, "drop": [dropped]})

    assert (await node.rpc("eth_getTransactionReceipt", kept))["blockNumber"] == "0x2"
    assert await node.rpc("eth_getTransactionByHash", dropped) is None


async def test_what_is_nowhere_cannot_be_dropped_and_nothing_is_replaced(node: LocalNode) -> None:
    deep = await pay(node)
    await node.dev.mine(3)
    head = await node.rpc("eth_getBlockByNumber", "latest", False)
    for absent in (deep, "0x" + "ab" * 32):
        with pytest.raises(RpcFailure) as refused:
            await node.rpc("bascule_reorg", {"depth": 2, "drop": [absent]})
        assert (refused.value.code, refused.value.data) == (INVALID_PARAMS, absent)
    assert await node.rpc("eth_getBlockByNumber", "latest", False) == head

    await node.rpc("bascule_reorg", {"depth": 3, "drop": [deep]})
    assert await node.rpc("eth_getTransactionByHash", deep) is None


async def test_payment_that_lost_its_funding_is_forgotten(node: LocalNode) -> None:
    key = "0x" + "42" * 32
    poor = DevAccount(Account.from_key(key).address, key)
    funding = await node.send(node.accounts[0], to=poor.address, value=10**18)
    await node.dev.mine()
    spending = await node.send(poor, to=node.accounts[9].address, value=1)
    await node.dev.mine()

    await node.rpc("bascule_reorg", {"depth": 2, "drop": [funding]})

    assert await node.rpc("eth_getTransactionByHash", spending) is None
    assert await node.rpc("eth_getTransactionCount", poor.address, "pending") == "0x0"


async def test_logs_of_replaced_blocks_are_gone_with_them(node: LocalNode) -> None:
    emit = "0x60006000a000"  # LOG0 of nothing, as creation code
    tx_hash = await node.send(node.accounts[0], data=emit)
    old = (await node.dev.mine()).hash.hex()
    assert len(await node.rpc("eth_getLogs", {"blockHash": "0x" + old})) == 1

    await node.rpc("bascule_reorg", {"depth": 1, "drop": [tx_hash]})

    assert await node.rpc("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"}) == []
    with pytest.raises(RpcFailure, match="unknown block"):
        await node.rpc("eth_getLogs", {"blockHash": "0x" + old})


async def test_no_reader_ever_sees_the_chain_get_shorter_during_a_reorg(node: LocalNode) -> None:
    await node.dev.mine(5)
    heights: list[int] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            heights.append(int(await node.rpc("eth_blockNumber"), 16))

    watcher = asyncio.create_task(watch())
    for _ in range(10):
        await node.rpc("bascule_reorg", {"depth": 5})
    done.set()
    await watcher

    assert heights == sorted(heights)
    assert heights[-1] >= 14


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 0},
        {"depth": 4},
        {"depth": "x"},
        {"depth": 1, "drop": "0x00"},
        {"depth": 1, "keep": 1},
        [],
    ],
)
async def test_impossible_reorg_is_refused_and_changes_nothing(node: LocalNode, options: Any) -> None:
    await node.dev.mine(3)
    before = await hashes(node)

    with pytest.raises(RpcFailure) as caught:
        await node.rpc("bascule_reorg", options)

    assert caught.value.code == -32602
    assert await hashes(node) == before


async def test_snapshot_brings_back_blocks_waiting_transactions_and_time(node: LocalNode) -> None:
    await node.dev.mine()
    waiting = await pay(node)
    before = await hashes(node)
    snapshot = await node.rpc("evm_snapshot")
    await node.rpc("evm_increaseTime", 500)
    await node.dev.mine(3)
    later = await pay(node, 1)

    assert await node.rpc("evm_revert", snapshot) is True

    assert await hashes(node) == before
    assert await node.rpc("evm_increaseTime", 0) == 0
    assert (await node.rpc("eth_getTransactionByHash", waiting))["blockHash"] is None
    assert await node.rpc("eth_getTransactionByHash", later) is None
    assert await node.rpc("evm_revert", snapshot) is False, "a snapshot serves once"


async def test_snapshot_on_a_replaced_block_cannot_be_reverted_to(node: LocalNode) -> None:
    await node.dev.mine(2)
    snapshot = await node.rpc("evm_snapshot")
    await node.rpc("bascule_reorg", {"depth": 1})
    before = await hashes(node)

    assert await node.rpc("evm_revert", snapshot) is False
    assert await hashes(node) == before
