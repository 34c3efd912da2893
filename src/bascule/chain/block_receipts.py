"""All logs of a block out of its receipts, proven by the root in its header."""

from collections.abc import Sequence

from bascule.chain.errors import NodeSays, RpcError, WrongShape
from bascule.chain.families import ETHEREUM
from bascule.chain.heads import Header
from bascule.chain.hexes import data
from bascule.chain.logs import Log
from bascule.chain.receipts_root import METHOD, ReceiptJson, require_whole
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address, Hash

_ONE_BY_ONE = "eth_getTransactionReceipt"


async def logs_of(rpc: Rpc, headers: Sequence[Header]) -> list[list[Log]]:
    """Each block's logs in order: all of them, as its chain agreed. The headers are sealed and have a root.

    Raises: IncompleteAnswer, WrongShape, RpcError, NodeUnreachable; what is returned is proven, except for
    the names of transactions, which are held against the header's list.
    """
    answers = await _receipts(rpc, headers)
    return [_proven(rpc, header, answer) for header, answer in zip(headers, answers, strict=True)]


async def _receipts(rpc: Rpc, headers: Sequence[Header]) -> list[list[ReceiptJson]]:
    """Each block's receipts, from nodes without a method for whole blocks one by one."""
    calls = [(METHOD, ("0x" + header.hash.hex(),)) for header in headers]
    found: list[list[ReceiptJson] | None]
    try:
        found = await rpc.batch_as(list[ReceiptJson] | None, calls)  # type: ignore[arg-type]
    except RpcError as error:
        if error.says is not NodeSays.METHOD_MISSING:
            raise
        return [await _one_by_one(rpc, header) for header in headers]
    whole: list[list[ReceiptJson]] = []
    for header, receipts in zip(headers, found, strict=True):
        if receipts is None:
            raise RpcError(method=METHOD, code=0, message=f"unknown block 0x{header.hash.hex()}")
        whole.append(receipts)
    return whole


async def _one_by_one(rpc: Rpc, header: Header) -> list[ReceiptJson]:
    calls = [(_ONE_BY_ONE, ("0x" + tx_hash.hex(),)) for tx_hash in header.tx_hashes]
    found: list[ReceiptJson | None] = await rpc.batch_as(ReceiptJson | None, calls)  # type: ignore[arg-type]
    receipts = [receipt for receipt in found if receipt is not None]
    if len(receipts) != len(found):
        raise RpcError(method=_ONE_BY_ONE, code=0, message=f"unknown block 0x{header.hash.hex()}")
    return receipts


def _proven(rpc: Rpc, header: Header, answer: Sequence[ReceiptJson]) -> list[Log]:
    assert header.sealed, "a header that does not hash to its name proves nothing"
    assert header.receipts_root is not None, "the root of other blocks proves nothing of this one"
    block = (header.number, header.hash)
    receipts = require_whole(rpc.family or ETHEREUM, block, header.receipts_root, answer)
    names = tuple(Hash(data(receipt.transactionHash, 32, method=METHOD)) for receipt in receipts)
    if header.tx_hashes[: len(names)] != names:
        raise WrongShape(method=METHOD, why=f"receipts of transactions that block {header.number} lacks")
    logs: list[Log] = []
    for name, receipt in zip(names, receipts, strict=True):
        for raw in receipt.logs:
            logs.append(
                Log(
                    index=len(logs),
                    tx_hash=name,
                    address=Address(data(raw.address, 20, method=METHOD)),
                    topics=tuple(data(topic, 32, method=METHOD) for topic in raw.topics),
                    data=data(raw.data, method=METHOD),
                )
            )
    return logs
