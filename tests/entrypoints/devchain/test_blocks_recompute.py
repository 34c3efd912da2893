"""Every block of a varied chain recomputes from its JSON: hash, roots, blooms, senders, gas and places."""

from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.support.blocks import check_block, header_hash, receipt_bytes, root, transaction_bytes
from tests.support.chain import LocalNode, calldata, deploy_dollar, local_node

LOGS_OF_ALL_SIZES = "0x" + "".join(  # creation code: LOG0 to LOG4 with ever more data
    "60aa" * topics + f"60{topics * 16:02x}6000a{topics}" for topics in range(5)
)
OLD = {"maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 2 * 10**9}


async def fill(node: LocalNode) -> str:
    """Transactions of every type, creations, failures, logs, several of one sender, and empty blocks."""
    owner, payee, *others = node.accounts
    token = await deploy_dollar(node, owner)
    for amount in (5, 7):
        await node.send(owner, to=token, data=calldata("mint(address,uint256)", [payee.address, amount]))
    await node.send(payee, to=token, data=calldata("transfer(address,uint256)", [owner.address, 100]))
    entry = {"address": token, "storageKeys": ["0x" + "01".rjust(64, "0"), "0x" + "00" * 32]}
    await node.send(others[0], to=payee.address, gas=40_000, accessList=[entry])
    await node.send(others[1], to=payee.address, gas=40_000, type=1, accessList=[entry], **OLD)
    await node.send(others[2], to=payee.address, type=None, **OLD)
    await node.send(others[2], to=payee.address, type=None, chainId=None, value=3, **OLD)
    promise = {"chainId": 31337, "address": token, "nonce": 0}
    signed = Account.sign_authorization(promise, others[4].private_key)
    await node.send(others[3], to=payee.address, type=4, gas=90_000, authorizationList=[signed])
    await node.send(others[5], data=LOGS_OF_ALL_SIZES)
    await node.send(others[5], data="0xfe")
    await node.send(others[5], data="0x60006000fd")
    await node.dev.mine(3)
    return token


async def check_chain(node: LocalNode) -> list[dict[str, Any]]:
    head = int(await node.rpc("eth_blockNumber"), 16)
    blocks = [await node.rpc("eth_getBlockByNumber", hex(n), True) for n in range(head + 1)]
    assert [b["parentHash"] for b in blocks[1:]] == [b["hash"] for b in blocks[:-1]]
    for block in blocks:
        receipts = await node.rpc("eth_getBlockReceipts", block["hash"])
        check_block(block, receipts)
        await check_places(node, block, receipts)
    return blocks


async def check_places(node: LocalNode, block: dict[str, Any], receipts: list[dict[str, Any]]) -> None:
    """What no root covers: senders, gas by transaction, numbering, and the answers by other keys."""
    spent = log_index = 0
    for position, (tx, receipt) in enumerate(zip(block["transactions"], receipts, strict=True)):
        spent += int(receipt["gasUsed"], 16)
        assert Account.recover_transaction(transaction_bytes(tx)) == tx["from"] == receipt["from"]
        assert int(receipt["cumulativeGasUsed"], 16) == spent
        assert tx["transactionIndex"] == receipt["transactionIndex"] == hex(position)
        assert tx["blockHash"] == receipt["blockHash"] == block["hash"]
        assert tx["hash"] == receipt["transactionHash"]
        assert tx["gasPrice"] == receipt["effectiveGasPrice"]
        for log in receipt["logs"]:
            assert (log["logIndex"], log["transactionHash"]) == (hex(log_index), tx["hash"])
            assert (log["blockHash"], log["removed"]) == (block["hash"], False)
            log_index += 1
    assert int(block["gasUsed"], 16) == spent
    logs = [log for receipt in receipts for log in receipt["logs"]]
    assert await node.rpc("eth_getLogs", {"blockHash": block["hash"]}) == logs


async def test_every_block_recomputes_also_after_reorgs_and_a_restart(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path) as node:
        await fill(node)
        blocks = await check_chain(node)
        assert {tx["type"] for tx in blocks[2]["transactions"]} == {"0x0", "0x1", "0x2", "0x4"}
        receipts = await node.rpc("eth_getBlockReceipts", "0x2")
        assert [receipt["status"] for receipt in receipts].count("0x0") == 3
        assert sorted(len(log["topics"]) for log in receipts[-3]["logs"]) == [0, 1, 2, 3, 4]
        assert [len(block["transactions"]) for block in blocks[3:]] == [0, 0]

        await node.dev.reorg(3, [blocks[2]["transactions"][0]["hash"]])
        await node.dev.mine(2)
        await node.dev.reorg(1)
        await node.transact(node.accounts[9], to=node.accounts[8].address, value=1)
        before = await check_chain(node)
        assert before[2]["hash"] != blocks[2]["hash"]

    async with local_node(data_dir=tmp_path) as node:
        assert await check_chain(node) == before
        await node.transact(node.accounts[9], to=node.accounts[8].address, value=1)
        assert len(await check_chain(node)) == len(before) + 1


async def test_oracle_notices_any_changed_field(node: LocalNode) -> None:
    await fill(node)
    block = await node.rpc("eth_getBlockByNumber", "0x2", True)
    receipts = await node.rpc("eth_getBlockReceipts", "0x2")

    for name in ("stateRoot", "gasUsed", "timestamp", "logsBloom", "baseFeePerGas", "requestsHash", "miner"):
        changed = block[name][:-1] + ("1" if block[name][-1] != "1" else "2")
        assert header_hash(block | {name: changed}) != block["hash"], name
    whole = root([receipt_bytes(receipt) for receipt in receipts])
    for name, value in (("status", "0x0"), ("cumulativeGasUsed", "0x1"), ("type", "0x1"), ("logs", [])):
        first = next(i for i, receipt in enumerate(receipts) if receipt["logs"] and receipt["type"] == "0x2")
        changed_receipts = [*receipts]
        changed_receipts[first] = receipts[first] | {name: value}
        assert root([receipt_bytes(receipt) for receipt in changed_receipts]) != whole, name
    with pytest.raises(AssertionError):
        check_block(block, receipts[:-1])
