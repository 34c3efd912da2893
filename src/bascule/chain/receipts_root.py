"""All receipts of a block against the `receiptsRoot` in its header: the proof that no log is missing.

A node answers logs from an index of its own; the receipts' root is what the chain agreed on. When the
receipts of a block add up to it, their logs are the block's logs: all, in order, unchanged.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from bascule.chain import families, rlp, trie
from bascule.chain.errors import IncompleteAnswer, WrongShape
from bascule.chain.families import Family
from bascule.chain.hexes import data, number, quantity
from bascule.domain.chain import Hash

METHOD = "eth_getBlockReceipts"
_LAST_KIND = 0x7F  # EIP-2718: what is more begins a list, or is nothing


class LogJson(msgspec.Struct):
    """The members of a log that its receipt covers."""

    address: str
    topics: list[str]
    data: str


class ReceiptJson(msgspec.Struct):
    """The members of a receipt that some family's root covers, and whose receipt it is."""

    transactionHash: str
    transactionIndex: str
    cumulativeGasUsed: str
    logsBloom: str
    logs: list[LogJson]
    status: str | None = None
    root: str | None = None
    type: str | None = None
    depositNonce: str | None = None
    depositReceiptVersion: str | None = None


def covered(family: Family, block: tuple[int, Hash], receipts: Sequence[ReceiptJson]) -> list[ReceiptJson]:
    """Those of a block's receipts that its root covers, in order. Raises: WrongShape for a hole in the order.

    block: number and hash.
    """
    outside = families.outside(family, *block)
    inside = [r for r in receipts if outside is None or data(r.transactionHash, 32, method=METHOD) != outside]
    inside.sort(key=lambda receipt: number(receipt.transactionIndex, method=METHOD))
    places = [number(receipt.transactionIndex, method=METHOD) for receipt in inside]
    if places != list(range(len(inside))):
        raise WrongShape(method=METHOD, why=f"transaction indexes are not 0..{len(inside) - 1} without holes")
    return inside


def require_whole(
    family: Family, block: tuple[int, Hash], root: Hash, receipts: Sequence[ReceiptJson]
) -> list[ReceiptJson]:
    """The receipts under `root`, in order, when all are there. Raises: IncompleteAnswer, WrongShape."""
    inside = covered(family, block, receipts)
    if root_of(family, inside) != root:
        where = f"block {block[0]} 0x{block[1].hex()}"
        raise IncompleteAnswer(
            f"{METHOD}: {where}: {len(inside)} receipts do not add up to the header's root"
        )
    return inside


def root_of(family: Family, receipts: Sequence[ReceiptJson]) -> Hash:
    """The root of these receipts, in this order. Raises: WrongShape."""
    return Hash(trie.root([encoded(family, receipt) for receipt in receipts]))


def encoded(family: Family, receipt: ReceiptJson) -> bytes:
    """The receipt as its block's root covers it (EIP-2718). Raises: WrongShape."""
    kind = _kind(receipt)
    members = [
        _outcome(receipt),
        rlp.number(number(receipt.cumulativeGasUsed, method=METHOD)),
        rlp.string(data(receipt.logsBloom, 256, method=METHOD)),
        rlp.sequence(_log(log) for log in receipt.logs),
    ]
    members += [
        rlp.EMPTY if text is None else rlp.number(number(text, method=METHOD))
        for _, text in _tail(family, kind, receipt)
    ]
    body = rlp.sequence(members)
    return body if kind == 0 else bytes((kind,)) + body


def spelled(family: Family, receipt: ReceiptJson) -> dict[str, Any]:
    """The members that the root covers, and whose receipt it is, each in its shortest lower-case spelling.

    Raises: WrongShape.
    """
    kind = _kind(receipt)
    if receipt.status is None:
        outcome = {"root": _data(receipt.root or "")}
    else:
        outcome = {"status": _number(receipt.status)}
    tail = {name: _number(text) for name, text in _tail(family, kind, receipt) if text is not None}
    return {
        "transactionHash": _data(receipt.transactionHash),
        "transactionIndex": _number(receipt.transactionIndex),
        "type": quantity(kind),
        **outcome,
        "cumulativeGasUsed": _number(receipt.cumulativeGasUsed),
        "logsBloom": _data(receipt.logsBloom),
        "logs": [
            {
                "address": _data(log.address),
                "topics": [_data(topic) for topic in log.topics],
                "data": _data(log.data),
            }
            for log in receipt.logs
        ],
        **tail,
    }


def _kind(receipt: ReceiptJson) -> int:
    kind = 0 if receipt.type is None else number(receipt.type, method=METHOD)
    if kind > _LAST_KIND:
        raise WrongShape(method=METHOD, why=f"a receipt of type {kind}")
    return kind


def _number(text: str) -> str:
    return quantity(number(text, method=METHOD))


def _data(text: str) -> str:
    return "0x" + data(text, method=METHOD).hex()


def _tail(family: Family, kind: int, receipt: ReceiptJson) -> list[tuple[str, str | None]]:
    """What a receipt of this type covers behind its four members."""
    tail = [(name, getattr(receipt, name)) for name in family.receipt_tails.get(kind, ())]
    return tail if tail and tail[-1][1] is not None else []


def _outcome(receipt: ReceiptJson) -> bytes:
    if receipt.status is not None:
        return rlp.number(number(receipt.status, method=METHOD))
    if receipt.root is None:
        raise WrongShape(method=METHOD, why="a receipt with neither status nor root")
    return rlp.string(data(receipt.root, 32, method=METHOD))


def _log(log: LogJson) -> bytes:
    topics = [rlp.string(data(topic, 32, method=METHOD)) for topic in log.topics]
    return rlp.sequence(
        (
            rlp.string(data(log.address, 20, method=METHOD)),
            rlp.sequence(topics),
            rlp.string(data(log.data, method=METHOD)),
        )
    )
