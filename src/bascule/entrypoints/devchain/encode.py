"""Headers, transactions, receipts and logs as Ethereum's JSON, with every field of a Prague block."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from eth_utils.address import to_checksum_address

from bascule.entrypoints.devchain.records import Log

if TYPE_CHECKING:
    from eth.abc import ReceiptAPI, SignedTransactionAPI

# A py-evm header. Its abstract class declares no field of Prague and all fields as optional.
Header = Any
TYPES = {None: 0, 0: 0, 1: 1, 2: 2, 4: 4}


def data(value: bytes) -> str:
    """Returns bytes as 0x-prefixed hex of the same length."""
    return "0x" + value.hex()


def word(value: int, size: int = 32) -> str:
    """Returns an integer as fixed-width hex."""
    return f"0x{value:0{size * 2}x}"


def address(value: bytes) -> str | None:
    """Returns a checksummed address, or None for no address."""
    return str(to_checksum_address(value)) if value else None


def open_json(members: dict[str, Any]) -> bytes:
    """Returns a JSON object without its closing brace, so that a last member can be appended."""
    return msgspec.json.encode(members)[:-1]


def header(head: Header, size: int) -> dict[str, Any]:
    """Returns the members of a block but its transactions; `size` is the length of its RLP in bytes."""
    return {
        "number": hex(head.block_number),
        "hash": data(head.hash),
        "parentHash": data(head.parent_hash),
        "sha3Uncles": data(head.uncles_hash),
        "miner": address(head.coinbase),
        "stateRoot": data(head.state_root),
        "transactionsRoot": data(head.transaction_root),
        "receiptsRoot": data(head.receipt_root),
        "logsBloom": word(head.bloom, 256),
        "difficulty": hex(head.difficulty),
        "gasLimit": hex(head.gas_limit),
        "gasUsed": hex(head.gas_used),
        "timestamp": hex(head.timestamp),
        "extraData": data(head.extra_data),
        "mixHash": data(head.mix_hash),
        "nonce": data(head.nonce),
        "baseFeePerGas": hex(head.base_fee_per_gas),
        "withdrawalsRoot": data(head.withdrawals_root),
        "blobGasUsed": hex(head.blob_gas_used),
        "excessBlobGas": hex(head.excess_blob_gas),
        "parentBeaconBlockRoot": data(head.parent_beacon_block_root),
        "requestsHash": data(head.requests_hash),
        "size": hex(size),
        "uncles": [],
        "withdrawals": [],
    }


def transaction(tx: "SignedTransactionAPI", head: Header | None, position: int) -> dict[str, Any]:
    """Returns a transaction; without a header it is still waiting, and its place in the chain is null."""
    kind = TYPES[tx.type_id]
    members: dict[str, Any] = {
        "blockHash": data(head.hash) if head else None,
        "blockNumber": hex(head.block_number) if head else None,
        "transactionIndex": hex(position) if head else None,
        "type": hex(kind),
        "hash": data(tx.hash),
        "from": address(tx.sender),
        "to": address(tx.to),
        "nonce": hex(tx.nonce),
        "gas": hex(tx.gas),
        "gasPrice": hex(gas_price(tx, head.base_fee_per_gas) if head else tx.max_fee_per_gas),
        "value": hex(tx.value),
        "input": data(tx.data),
    }
    if tx.chain_id is not None:
        members["chainId"] = hex(tx.chain_id)
    if kind >= 1:
        members["accessList"] = [
            {"address": address(account), "storageKeys": [word(slot) for slot in slots]}
            for account, slots in tx.access_list
        ]
        members["yParity"] = hex(tx.y_parity)
    if kind >= 2:
        members["maxFeePerGas"] = hex(tx.max_fee_per_gas)
        members["maxPriorityFeePerGas"] = hex(tx.max_priority_fee_per_gas)
    if kind == 4:
        members["authorizationList"] = [
            {
                "chainId": hex(entry.chain_id),
                "address": address(entry.address),
                "nonce": hex(entry.nonce),
                "yParity": hex(entry.y_parity),
                "r": hex(entry.r),
                "s": hex(entry.s),
            }
            for entry in tx.authorization_list
        ]
    v = tx.y_parity if kind else tx.v  # type: ignore[attr-defined]  # legacy only
    return members | {"v": hex(v), "r": hex(tx.r), "s": hex(tx.s)}


def gas_price(tx: "SignedTransactionAPI", base_fee: int) -> int:
    """Returns what one unit of gas costs the sender in a block with that base fee, in wei."""
    return min(tx.max_fee_per_gas, base_fee + tx.max_priority_fee_per_gas)


def receipt(
    tx: "SignedTransactionAPI",
    result: "ReceiptAPI",
    head: Header,
    position: int,
    gas_used: int,
    created: bytes | None,
) -> dict[str, Any]:
    """Returns a receipt but its logs; `gas_used` is the transaction's own, `created` the new contract."""
    return {
        "transactionHash": data(tx.hash),
        "transactionIndex": hex(position),
        "blockHash": data(head.hash),
        "blockNumber": hex(head.block_number),
        "from": address(tx.sender),
        "to": address(tx.to),
        "cumulativeGasUsed": hex(result.gas_used),
        "gasUsed": hex(gas_used),
        "effectiveGasPrice": hex(gas_price(tx, head.base_fee_per_gas)),
        "contractAddress": address(created) if created else None,
        "logsBloom": word(result.bloom, 256),
        "status": "0x1" if result.state_root == b"\x01" else "0x0",
        "type": hex(TYPES[tx.type_id]),
    }


def logs(
    result: "ReceiptAPI", tx_hash: bytes, head: Header, position: int, first_index: int
) -> tuple[Log, ...]:
    """Returns a receipt's logs, numbered within the block from `first_index`."""
    records: Sequence[tuple[bytes, tuple[bytes, ...], bytes]] = [
        (log.address, tuple(topic.to_bytes(32, "big") for topic in log.topics), log.data)
        for log in result.logs
    ]
    return tuple(
        Log(
            source,
            topics,
            msgspec.json.encode(
                {
                    "address": address(source),
                    "topics": [data(topic) for topic in topics],
                    "data": data(payload),
                    "blockNumber": hex(head.block_number),
                    "blockHash": data(head.hash),
                    "blockTimestamp": hex(head.timestamp),
                    "transactionHash": data(tx_hash),
                    "transactionIndex": hex(position),
                    "logIndex": hex(first_index + offset),
                    "removed": False,
                }
            ),
        )
        for offset, (source, topics, payload) in enumerate(records)
    )
