"""Whoever recomputes a block from its JSON gets the same hash, roots and bloom."""

from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_bloom import BloomFilter
from trie import HexaryTrie

from bascule.domain.hashing import keccak
from tests.support.chain import LocalNode, calldata, deploy_dollar

HEADER = [
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
]
NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"),
    *("blobGasUsed", "excessBlobGas"),
}


def number_bytes(value: str) -> bytes:
    number = int(value, 16)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def header_hash(block: dict[str, Any]) -> str:
    fields = [number_bytes(block[f]) if f in NUMBERS else raw(block[f]) for f in HEADER]
    return "0x" + keccak(rlp.encode(fields)).hex()


def root(items: list[bytes]) -> str:
    trie = HexaryTrie({})
    for position, item in enumerate(items):
        trie[rlp.encode(position)] = item
    return "0x" + trie.root_hash.hex()


def typed(kind: str, payload: list[Any]) -> bytes:
    return (b"" if kind == "0x0" else raw("0x0" + kind[2:])) + rlp.encode(payload)


def receipt_bytes(receipt: dict[str, Any]) -> bytes:
    logs = [[raw(x["address"]), [raw(t) for t in x["topics"]], raw(x["data"])] for x in receipt["logs"]]
    status = b"\x01" if receipt["status"] == "0x1" else b""
    payload = [status, number_bytes(receipt["cumulativeGasUsed"]), raw(receipt["logsBloom"]), logs]
    return typed(receipt["type"], payload)


def transaction_bytes(tx: dict[str, Any]) -> bytes:
    to = raw(tx["to"]) if tx["to"] else b""
    access = [[raw(e["address"]), [raw(k) for k in e["storageKeys"]]] for e in tx.get("accessList", [])]
    n = {f: number_bytes(v) for f, v in tx.items() if isinstance(v, str) and f not in {"to", "from", "input"}}
    body = [to, n["value"], raw(tx["input"])]
    if tx["type"] == "0x0":
        return rlp.encode([n["nonce"], n["gasPrice"], n["gas"], *body, n["v"], n["r"], n["s"]])
    signature = [n["yParity"], n["r"], n["s"]]
    if tx["type"] == "0x1":
        return typed("0x1", [n["chainId"], n["nonce"], n["gasPrice"], n["gas"], *body, access, *signature])
    fees = [n["maxPriorityFeePerGas"], n["maxFeePerGas"], n["gas"]]
    payload = [n["chainId"], n["nonce"], *fees, *body, access]
    if tx["type"] == "0x4":
        payload.append([authorization_fields(entry) for entry in tx["authorizationList"]])
    return typed(tx["type"], [*payload, *signature])


def authorization_fields(entry: dict[str, str]) -> list[bytes]:
    n = {name: number_bytes(value) for name, value in entry.items()}
    return [n["chainId"], raw(entry["address"]), n["nonce"], n["yParity"], n["r"], n["s"]]


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


async def test_header_hash_and_roots_recompute_for_every_block(busy: LocalNode) -> None:
    blocks = await blocks_of(busy)

    assert max(len(block["transactions"]) for block in blocks) == 7
    assert {tx["type"] for tx in blocks[2]["transactions"]} == {"0x0", "0x1", "0x2", "0x4"}
    for block in blocks:
        receipts = await busy.rpc("eth_getBlockReceipts", block["number"])
        assert header_hash(block) == block["hash"]
        assert root([transaction_bytes(tx) for tx in block["transactions"]]) == block["transactionsRoot"]
        assert root([receipt_bytes(receipt) for receipt in receipts]) == block["receiptsRoot"]


async def test_bloom_of_each_block_and_receipt_recomputes_from_its_logs(busy: LocalNode) -> None:
    seen = 0
    for block in await blocks_of(busy):
        whole = BloomFilter()
        for receipt in await busy.rpc("eth_getBlockReceipts", block["hash"]):
            bloom = BloomFilter()
            for log in receipt["logs"]:
                bloom.extend(raw(part) for part in [log["address"], *log["topics"]])
            assert int(bloom) == int(receipt["logsBloom"], 16)
            whole |= bloom
            seen += len(receipt["logs"])
        assert int(whole) == int(block["logsBloom"], 16)
    assert seen >= 4


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


async def test_equal_genesis_time_gives_an_equal_genesis_block() -> None:
    from bascule.entrypoints.devchain.evm import Evm

    assert Evm(31337, 1_700_000_000).genesis == Evm(31337, 1_700_000_000).genesis
    assert Evm(31337, 1_700_000_000).genesis.hash != Evm(31337, 1_700_000_001).genesis.hash
