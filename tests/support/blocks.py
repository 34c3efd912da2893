"""A block from its JSON alone: hash, roots, bloom and size by an encoder apart from py-evm's blocks."""

from collections.abc import Sequence
from typing import Any

import rlp
from trie import HexaryTrie

from bascule.domain.hashing import keccak

HEADER = [
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
    "requestsHash",
]
NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"),
    *("blobGasUsed", "excessBlobGas"),
}


def raw(value: str) -> bytes:
    """Bytes of 0x-hex."""
    return bytes.fromhex(value[2:])


def number(value: str) -> bytes:
    """An RLP integer of 0x-hex: big-endian, without leading zeros."""
    parsed = int(value, 16)
    return parsed.to_bytes((parsed.bit_length() + 7) // 8, "big")


def header_fields(block: dict[str, Any]) -> list[bytes]:
    return [number(block[name]) if name in NUMBERS else raw(block[name]) for name in HEADER]


def header_hash(block: dict[str, Any]) -> str:
    return "0x" + keccak(rlp.encode(header_fields(block))).hex()


def root(items: Sequence[bytes]) -> str:
    """The root of the trie that holds items by their RLP-encoded positions."""
    trie = HexaryTrie({})
    for position, item in enumerate(items):
        trie[rlp.encode(position)] = item
    return "0x" + trie.root_hash.hex()


def transaction_bytes(tx: dict[str, Any]) -> bytes:
    """What was signed and sent; its keccak is the transaction's hash."""
    to = raw(tx["to"]) if tx["to"] else b""
    access = [[raw(e["address"]), [raw(k) for k in e["storageKeys"]]] for e in tx.get("accessList", [])]
    n = {f: number(v) for f, v in tx.items() if isinstance(v, str) and f not in {"to", "from", "input"}}
    body = [to, n["value"], raw(tx["input"])]
    if tx["type"] == "0x0":
        return bytes(rlp.encode([n["nonce"], n["gasPrice"], n["gas"], *body, n["v"], n["r"], n["s"]]))
    signature = [n["yParity"], n["r"], n["s"]]
    if tx["type"] == "0x1":
        return typed("0x1", [n["chainId"], n["nonce"], n["gasPrice"], n["gas"], *body, access, *signature])
    fees = [n["maxPriorityFeePerGas"], n["maxFeePerGas"], n["gas"]]
    payload = [n["chainId"], n["nonce"], *fees, *body, access]
    if tx["type"] == "0x4":
        payload.append([authorization(entry) for entry in tx["authorizationList"]])
    return typed(tx["type"], [*payload, *signature])


def authorization(entry: dict[str, str]) -> list[bytes]:
    n = {name: number(value) for name, value in entry.items()}
    return [n["chainId"], raw(entry["address"]), n["nonce"], n["yParity"], n["r"], n["s"]]


def receipt_bytes(receipt: dict[str, Any]) -> bytes:
    logs = [[raw(x["address"]), [raw(t) for t in x["topics"]], raw(x["data"])] for x in receipt["logs"]]
    status = b"\x01" if receipt["status"] == "0x1" else b""
    payload = [status, number(receipt["cumulativeGasUsed"]), raw(receipt["logsBloom"]), logs]
    return typed(receipt["type"], payload)


def typed(kind: str, payload: list[Any]) -> bytes:
    return (b"" if kind == "0x0" else bytes([int(kind, 16)])) + bytes(rlp.encode(payload))


def bloom(logs: Sequence[dict[str, Any]]) -> str:
    """The 2048 bits: three for each address and topic, from the first three pairs of bytes of its keccak."""
    bits = 0
    for log in logs:
        for part in (log["address"], *log["topics"]):
            digest = keccak(raw(part))
            for pair in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[pair : pair + 2], "big") & 2047)
    return f"0x{bits:0512x}"


def size(block: dict[str, Any]) -> int:
    """The length of the block's RLP in bytes."""
    transactions = [
        rlp.decode(encoded) if encoded[0] >= 0xC0 else encoded
        for encoded in map(transaction_bytes, block["transactions"])
    ]
    return len(rlp.encode([header_fields(block), transactions, [], []]))


def check_block(block: dict[str, Any], receipts: Sequence[dict[str, Any]]) -> None:
    """Asserts that a block with whole transactions, and its receipts, say one and the same."""
    assert header_hash(block) == block["hash"]
    encoded = [transaction_bytes(tx) for tx in block["transactions"]]
    assert ["0x" + keccak(one).hex() for one in encoded] == [tx["hash"] for tx in block["transactions"]]
    assert root(encoded) == block["transactionsRoot"]
    assert root([receipt_bytes(receipt) for receipt in receipts]) == block["receiptsRoot"]
    assert [bloom(receipt["logs"]) for receipt in receipts] == [one["logsBloom"] for one in receipts]
    assert bloom([log for receipt in receipts for log in receipt["logs"]]) == block["logsBloom"]
    assert root([]) == block["withdrawalsRoot"]
    assert "0x" + keccak(rlp.encode([])).hex() == block["sha3Uncles"]
    assert size(block) == int(block["size"], 16)
