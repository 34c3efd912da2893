"""Receipts: what became of a transaction, as one node tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import data, number
from bascule.chain.logs import Log
from bascule.domain.chain import Address, Hash

METHOD = "eth_getTransactionReceipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block. fee_paid: wei, for gas and data; data_fee: what of it was for data."""

    tx_hash: Hash
    block_hash: Hash
    block_number: int
    succeeded: bool
    fee_paid: int
    logs: tuple[Log, ...]
    data_fee: int = 0


class _Log(msgspec.Struct):
    address: str
    topics: list[str]
    data: str
    logIndex: str


class _Receipt(msgspec.Struct):
    transactionHash: str
    blockHash: str
    blockNumber: str
    status: str
    gasUsed: str
    effectiveGasPrice: str
    logs: list[_Log]
    l1Fee: str | None = None  # op-geth: in no root, so it is the node's word alone


async def of(rpc: Caller, hashes: Sequence[Hash]) -> list[Receipt | None]:
    """The receipts in the order of `hashes`; None: this node knows of no block with it, which proves nothing.

    A query that failed is never "none": it raises as `Caller.batch` does, or WrongShape.
    """
    calls = [(METHOD, ("0x" + tx_hash.hex(),)) for tx_hash in hashes]
    answers = await rpc.batch_as(_Receipt | None, calls)  # type: ignore[arg-type]  # a union is a shape too
    return [
        None if answer is None else _receipt(tx_hash, answer)
        for tx_hash, answer in zip(hashes, answers, strict=True)
    ]


def _receipt(tx_hash: Hash, raw: _Receipt) -> Receipt:
    if data(raw.transactionHash, 32, method=METHOD) != tx_hash:
        raise WrongShape(method=METHOD, why=f"the receipt of {raw.transactionHash}, not of 0x{tx_hash.hex()}")
    logs = tuple(
        Log(
            index=number(log.logIndex, method=METHOD),
            tx_hash=tx_hash,
            address=Address(data(log.address, 20, method=METHOD)),
            topics=tuple(data(topic, 32, method=METHOD) for topic in log.topics),
            data=data(log.data, method=METHOD),
        )
        for log in raw.logs
    )
    data_fee = 0 if raw.l1Fee is None else number(raw.l1Fee, method=METHOD)
    gas_fee = number(raw.gasUsed, method=METHOD) * number(raw.effectiveGasPrice, method=METHOD)
    return Receipt(
        tx_hash=tx_hash,
        block_hash=Hash(data(raw.blockHash, 32, method=METHOD)),
        block_number=number(raw.blockNumber, method=METHOD),
        succeeded=number(raw.status, method=METHOD) == 1,
        fee_paid=gas_fee + data_fee,
        logs=tuple(sorted(logs, key=lambda log: log.index)),
        data_fee=data_fee,
    )
