"""What a block's receipts say, proven by the root in its header: all its logs, or a transaction's outcome."""

import itertools
from collections.abc import Sequence

from bascule.chain import heads, partly
from bascule.chain.caller import Caller
from bascule.chain.errors import Hearsay, IncompleteAnswer, LeftOut, NodeSays, RpcError, WrongShape
from bascule.chain.evidence import Heard
from bascule.chain.families import ETHEREUM
from bascule.chain.heads import Header
from bascule.chain.hexes import data, number
from bascule.chain.logs import Log
from bascule.chain.receipts import Receipt
from bascule.chain.receipts import of as of_transactions
from bascule.chain.receipts_root import METHOD, ReceiptJson, require_whole
from bascule.domain.chain import Address, Hash
from bascule.domain.fees import Fees
from bascule.domain.hashing import keccak

_ONE_BY_ONE = "eth_getTransactionReceipt"


async def logs_of(rpc: Caller, headers: Sequence[Header]) -> list[list[Log]]:
    """Each block's logs in order: all of them, as its chain agreed. Raises as `of_blocks`."""
    return [logs(receipts) for receipts in await of_blocks(rpc, headers)]


async def of_blocks(
    rpc: Caller,
    headers: Sequence[Header],
    heard: Heard | None = None,
    told: dict[Hash, list[ReceiptJson]] | None = None,
) -> list[list[ReceiptJson]]:
    """Each block's receipts in order: all of them, as its chain agreed.

    What is returned is proven, except for the names of transactions, which are those a quorum tells, or one
    node's word where one is believed. The headers are sealed and have a root. heard: takes note of who told
    them, and where; told: by block, what is proven already and not asked for, and where it is put. Raises:
    IncompleteAnswer, WrongShape, RpcError, NodeUnreachable, NoQuorum.
    """
    if not headers:
        return []
    known = {} if told is None else told
    sure = headers if all(header.named for header in headers) else await _named(rpc, headers)
    try:
        return await rpc.checked(lambda node: _of_blocks(node, sure, heard or Heard(), known))
    except Hearsay:
        if rpc.quorum > 1:
            raise
        return await rpc.checked(lambda node: _by_own_names(node, headers, heard or Heard(), known))


async def _by_own_names(
    rpc: Caller, headers: Sequence[Header], heard: Heard, told: dict[Hash, list[ReceiptJson]]
) -> list[list[ReceiptJson]]:
    """As one node tells both, names and receipts: what another said of names holds up nobody's receipts."""
    own = await heads.by_hashes(rpc, [header.hash for header in headers])
    known = [header for header in own if header is not None]
    if len(known) < len(headers):
        why = f"unknown block 0x{headers[own.index(None)].hash.hex()}"
        raise RpcError(method=heads.BY_HASH, code=0, message=why)
    return await _of_blocks(rpc, known, heard, told)


async def _named(rpc: Caller, headers: Sequence[Header]) -> Sequence[Header]:
    """The headers with the names of transactions that a quorum tells."""
    if rpc.quorum == 1:
        return headers
    found = await heads.named(rpc, [header.hash for header in headers])
    known = [header for header in found if header is not None]
    if len(known) < len(headers):
        at = found.index(None)
        why = f"unknown block 0x{headers[at].hash.hex()} at a quorum of nodes"
        raise RpcError(method=heads.BY_HASH, code=0, message=why)
    return known


async def _of_blocks(
    rpc: Caller, headers: Sequence[Header], heard: Heard, told: dict[Hash, list[ReceiptJson]]
) -> list[list[ReceiptJson]]:
    answers, refusal = await _receipts(rpc, [header for header in headers if header.hash not in told])
    told.update({header.hash: _proven(rpc, header, answer) for header, answer in answers.items()})
    heard.note(rpc.names[0], rpc.exchange, [header.hash for header in answers])
    if refusal is not None:
        raise refusal
    return [told[header.hash] for header in headers]


async def told(rpc: Caller, headers: Sequence[Header]) -> list[list[ReceiptJson]]:
    """Each block's receipts as one node tells them, one at least for each of its transactions.

    They are held against nothing else. Raises as `of_blocks`.
    """
    answers, refusal = await _receipts(rpc, headers)
    if refusal is not None:
        raise refusal
    for header, receipts in answers.items():
        if not set(header.tx_hashes or ()) <= set(map(_name, receipts)):
            raise Hearsay(f"{METHOD}: block {header.number} has more transactions than receipts")
    return [answers[header] for header in headers]


async def proven(rpc: Caller, told: Receipt, fees: Fees) -> Receipt:
    """The receipt as its block proves it: outcome, logs and fee of a transaction of ours that offered `fees`.

    Where the chain's headers prove nothing it is what a quorum of nodes tells. Raises as `logs_of`, NoQuorum.
    """
    [header] = await heads.named(rpc, [told.block_hash])
    if header is None:
        raise RpcError(method=METHOD, code=0, message=f"unknown block 0x{told.block_hash.hex()}")
    if not header.sealed or header.receipts_root is None or header.base_fee is None:
        return await _agreed(rpc, told)
    receipts = (await of_blocks(rpc, [header]))[0]
    at = next((place for place, each in enumerate(receipts) if _name(each) == told.tx_hash), None)
    if at is None:
        raise WrongShape(method=METHOD, why=f"block {header.number} does not hold 0x{told.tx_hash.hex()}")
    gas = [0, *(number(receipt.cumulativeGasUsed, method=METHOD) for receipt in receipts)]
    return Receipt(
        tx_hash=told.tx_hash,
        block_hash=header.hash,
        block_number=header.number,
        succeeded=receipts[at].status == "0x1",
        fee_paid=_paid(rpc, fees, gas[at + 1] - gas[at], header.base_fee) + told.data_fee,
        logs=tuple(_logs_by_receipt(receipts)[at]),
        data_fee=told.data_fee,
    )


async def _agreed(rpc: Caller, told: Receipt) -> Receipt:
    """The receipt as a quorum tells it, in the same block."""
    [found] = await rpc.agreed(
        lambda node: of_transactions(node, [told.tx_hash]),
        lambda answers: [None if each is None else keccak(repr(each).encode()) for each in answers],
        settled=False,
    )
    if found is None or found.block_hash != told.block_hash:
        raise RpcError(method=METHOD, code=0, message=f"unknown transaction 0x{told.tx_hash.hex()}")
    return found


def _paid(rpc: Caller, fees: Fees, gas_used: int, base_fee: int) -> int:
    """What the chain took for gas; some take the base fee alone."""
    if rpc.family is not None and not rpc.family.takes_tips:
        return gas_used * base_fee
    return fees.paid(gas_used, base_fee)


def logs(receipts: Sequence[ReceiptJson]) -> list[Log]:
    """The logs of a block's receipts, in order. Raises: WrongShape."""
    return [log for each in _logs_by_receipt(receipts) for log in each]


async def _receipts(
    rpc: Caller, headers: Sequence[Header]
) -> tuple[dict[Header, list[ReceiptJson]], RpcError | None]:
    """Each block's receipts, one by one from nodes without a method for whole blocks; the first refusal."""
    calls = {header: (METHOD, ("0x" + header.hash.hex(),)) for header in headers}
    shape: type[list[ReceiptJson] | None] = list[ReceiptJson] | None  # type: ignore[assignment]
    try:
        found, refusal = await partly.answers(rpc, shape, calls)
    except RpcError as error:  # of the batch as a whole
        found, refusal = {}, error
    if refusal is not None and refusal.says is NodeSays.METHOD_MISSING:
        return {header: await _one_by_one(rpc, header, refusal) for header in headers}, None
    whole: dict[Header, list[ReceiptJson]] = {}
    for header, receipts in found.items():
        if receipts is None:
            unknown = RpcError(method=METHOD, code=0, message=f"unknown block 0x{header.hash.hex()}")
            refusal = refusal or unknown
        else:
            whole[header] = receipts
    return whole, refusal


async def _one_by_one(rpc: Caller, header: Header, refusal: RpcError) -> list[ReceiptJson]:
    """By the names that a quorum tells, else by the node's own: another's bare word makes no liar of it."""
    shown = header if header.named else await heads.by_hash(rpc, header.hash)
    if shown is None or shown.tx_hashes is None:
        raise refusal
    calls = [(_ONE_BY_ONE, ("0x" + tx_hash.hex(),)) for tx_hash in shown.tx_hashes]
    found: list[ReceiptJson | None] = await rpc.batch_as(ReceiptJson | None, calls)  # type: ignore[arg-type]
    receipts = [receipt for receipt in found if receipt is not None]
    if len(receipts) != len(found):
        raise RpcError(method=_ONE_BY_ONE, code=0, message=f"unknown block 0x{header.hash.hex()}")
    return receipts


def _proven(rpc: Caller, header: Header, answer: Sequence[ReceiptJson]) -> list[ReceiptJson]:
    """The block's receipts, all of them, in order."""
    assert header.sealed, "a header that does not hash to its name proves nothing"
    assert header.receipts_root is not None, "the root of other blocks proves nothing of this one"
    block = (header.number, header.hash)
    try:
        receipts = require_whole(rpc.family or ETHEREUM, block, header.receipts_root, answer)
    except (IncompleteAnswer, WrongShape) as error:
        if len(answer) >= len(header.tx_hashes or ()):
            raise
        why = f"{METHOD}: block {header.number} has more transactions than receipts"
        raise LeftOut(why, number=header.number, block_hash=header.hash) from error
    names = tuple(_name(receipt) for receipt in receipts)
    if header.tx_hashes is not None and header.tx_hashes[: len(names)] != names:
        why = f"receipts of transactions that block {header.number} lacks"
        raise WrongShape(method=METHOD, why=why) if header.named else Hearsay(f"{METHOD}: {why}")
    return receipts


def _logs_by_receipt(receipts: Sequence[ReceiptJson]) -> list[list[Log]]:
    numbers = itertools.count()
    return [
        [
            Log(
                index=next(numbers),
                tx_hash=_name(receipt),
                address=Address(data(raw.address, 20, method=METHOD)),
                topics=tuple(data(topic, 32, method=METHOD) for topic in raw.topics),
                data=data(raw.data, method=METHOD),
            )
            for raw in receipt.logs
        ]
        for receipt in receipts
    ]


def _name(receipt: ReceiptJson) -> Hash:
    return Hash(data(receipt.transactionHash, 32, method=METHOD))
