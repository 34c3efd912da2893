"""Blocks, transactions and receipts are the same by whichever key they are asked for."""

from typing import Any

import pytest
from eth_account import Account

from bascule.domain.hashing import keccak
from tests.support.chain import LocalNode, calldata, deploy_dollar


@pytest.fixture
async def busy(node: LocalNode) -> LocalNode:
    """A chain with transfers of every type, a deployment, logs, a failure and empty blocks."""
    owner, payee = node.accounts[0], node.accounts[1]
    token = await deploy_dollar(node, owner)
    for amount in (5, 7):
        mint = calldata("mint(address,uint256)", [payee.address, amount])
        await node.send(owner, to=token, data=mint)
    await node.send(payee, to=token, data=calldata("transfer(address,uint256)", [owner.address, 100]))
    entry = {"address": token, "storageKeys": ["0x" + "01".rjust(64, "0")]}
    old = {"maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 2 * 10**9}
    await node.send(node.accounts[2], to=payee.address, gas=40_000, accessList=[entry])
    await node.send(node.accounts[3], to=payee.address, gas=40_000, type=1, accessList=[entry], **old)
    await node.send(node.accounts[4], to=payee.address, type=None, **old)
    promise = {"chainId": 31337, "address": token, "nonce": 0}
    signed = Account.sign_authorization(promise, node.accounts[6].private_key)
    await node.send(node.accounts[5], to=payee.address, type=4, gas=90_000, authorizationList=[signed])
    await node.dev.mine(3)
    return node


async def blocks_of(node: LocalNode) -> list[dict[str, Any]]:
    head = int(await node.rpc("eth_blockNumber"), 16)
    return [await node.rpc("eth_getBlockByNumber", hex(n), True) for n in range(head + 1)]


async def test_blocks_are_linked_and_found_by_hash(busy: LocalNode) -> None:
    blocks = await blocks_of(busy)

    assert [b["parentHash"] for b in blocks[1:]] == [b["hash"] for b in blocks[:-1]]
    assert [await busy.rpc("eth_getBlockByHash", b["hash"], True) for b in blocks] == blocks


async def test_hashes_alone_are_listed_unless_transactions_are_asked_for(busy: LocalNode) -> None:
    full = await busy.rpc("eth_getBlockByNumber", "0x2", True)

    brief = await busy.rpc("eth_getBlockByNumber", "0x2", False)

    assert brief == full | {"transactions": [tx["hash"] for tx in full["transactions"]]}


async def test_gas_of_a_block_adds_up_and_failed_transaction_says_so(busy: LocalNode) -> None:
    receipts = await busy.rpc("eth_getBlockReceipts", "0x2")

    block = await busy.rpc("eth_getBlockByNumber", "0x2")
    assert sum(int(r["gasUsed"], 16) for r in receipts) == int(block["gasUsed"], 16)
    assert [r["status"] for r in receipts].count("0x0") == 1
    indexes = [int(log["logIndex"], 16) for r in receipts for log in r["logs"]]
    assert indexes == list(range(len(indexes)))


async def test_transaction_is_the_same_by_hash_and_by_position(busy: LocalNode) -> None:
    block = await busy.rpc("eth_getBlockByNumber", "0x2", True)
    tx = block["transactions"][3]

    assert await busy.rpc("eth_getTransactionByHash", tx["hash"]) == tx
    assert await busy.rpc("eth_getTransactionByBlockNumberAndIndex", "0x2", "0x3") == tx
    assert await busy.rpc("eth_getTransactionByBlockHashAndIndex", block["hash"], "0x3") == tx
    assert await busy.rpc("eth_getTransactionByBlockNumberAndIndex", "0x2", "0x63") is None


async def test_raw_transaction_is_what_was_sent_before_and_after_it_is_mined(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, value=1)
    unknown = "0x" + keccak(bytes.fromhex(raw[2:])).hex()
    assert await node.rpc("eth_getRawTransactionByHash", unknown) == "0x"

    tx_hash = await node.rpc("eth_sendRawTransaction", raw)
    assert await node.rpc("eth_getRawTransactionByHash", tx_hash) == raw
    await node.dev.mine()
    assert await node.rpc("eth_getRawTransactionByHash", tx_hash) == raw


async def test_equal_genesis_time_gives_an_equal_genesis_block() -> None:
    from bascule.entrypoints.devchain.evm import Evm

    assert Evm(31337, 1_700_000_000).genesis == Evm(31337, 1_700_000_000).genesis
    assert Evm(31337, 1_700_000_000).genesis.hash != Evm(31337, 1_700_000_001).genesis.hash
