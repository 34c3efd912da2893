"""All logs of blocks, by hash or by range, and proof that the answer can be the whole of them.

`eth_getLogs` is answered from an index that may lag, hold holes or be rebuilt, with HTTP 200 and no error.
So the logs are asked for without a filter: they must then be numbered 0..n-1, belong to the block, and add
up to the bloom in its header. What does not is refused, and the caller commits nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from bascule.chain import families, partly
from bascule.chain.bloom import bloom_of, within
from bascule.chain.caller import Caller, Said
from bascule.chain.errors import Hearsay, IncompleteAnswer, LeftOut, RpcError, WrongShape
from bascule.chain.evidence import Heard
from bascule.chain.heads import Header
from bascule.chain.hexes import data, number, quantity
from bascule.domain.chain import Address, Hash

METHOD = "eth_getLogs"
_BY_NUMBER = "eth_getBlockByNumber"
_PARTLY = 512  # blocks of answers in part, beyond which all are asked for again


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a block, in its place."""

    index: int
    tx_hash: Hash
    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Told:
    """What nodes told so far. heard: where, until it is proven; partly: what bore itself out of answers that
    were refused in part, so that only the rest is asked for again.
    """

    heard: Heard = field(default_factory=Heard)
    partly: dict[Hash, list[Log]] = field(default_factory=dict)


class _Log(msgspec.Struct):
    """The members of a log that are read; none of them may be missing or null."""

    address: str
    topics: list[str]
    data: str
    blockHash: str
    blockNumber: str
    transactionHash: str
    logIndex: str
    removed: bool = False


class _Place(msgspec.Struct):
    """Which block a node has at a height."""

    hash: str


async def of_blocks(rpc: Caller, headers: Sequence[Header], told: Told | None = None) -> list[list[Log]]:
    """Each block's logs in order, complete as far as its header tells.

    Raises: IncompleteAnswer when they contradict the header; WrongShape; RpcError (a block that left the
    chain meanwhile is `unknown_block` there), after what was not refused is in `told`.
    """
    if not headers:
        return []
    known = told or Told()
    if len(known.partly) > _PARTLY:
        known.partly.clear()
    return await rpc.checked(lambda node: _of_blocks(node, headers, known))


async def agreed_of_blocks(
    rpc: Caller, headers: Sequence[Header], said: Said[list[list[Log]]]
) -> list[list[Log]]:
    """As `of_blocks`, as a quorum of nodes tells. said: what must be the same. Raises: NoQuorum."""
    if not headers:
        return []
    return await rpc.agreed(lambda node: _of_blocks(node, headers, Told()), said, settled=True)


async def _of_blocks(rpc: Caller, headers: Sequence[Header], told: Told) -> list[list[Log]]:
    asked = [header for header in headers if header.hash not in told.partly]
    calls = {header: (METHOD, ({"blockHash": "0x" + header.hash.hex()},)) for header in asked}
    answers, refusal = await partly.answers(rpc, list[_Log], calls)
    for header, answer in answers.items():
        outside = families.outside(rpc.family, header.number, header.hash)
        told.partly[header.hash] = whole(header, answer, outside, sure=_sure(rpc))
    told.heard.note(
        rpc.names[0], rpc.exchange, [header.hash for header in asked if header.hash in told.partly]
    )
    if refusal is not None:
        raise refusal
    return [told.partly.pop(header.hash) for header in headers]


async def of_range(rpc: Caller, headers: Sequence[Header], told: Told | None = None) -> list[list[Log]]:
    """As `of_blocks`, of blocks that follow each other, by one question about their heights.

    A node that has none, or another block, where the last of them stands lags or follows another fork: its
    word about the heights is not about these blocks, and no lie. RpcError (`unknown_block`).
    """
    if not headers:
        return []
    return await rpc.checked(lambda node: _of_range(node, headers, told or Told()))


async def _of_range(rpc: Caller, headers: Sequence[Header], told: Told) -> list[list[Log]]:
    first, last = headers[0].number, headers[-1]
    heights = {"fromBlock": quantity(first), "toBlock": quantity(last.number)}
    shape: type[list[_Log] | _Place | None] = list[_Log] | _Place | None  # type: ignore[assignment]
    calls = [(METHOD, (heights,)), (_BY_NUMBER, (quantity(last.number), False))]
    answer, place = await rpc.batch_as(shape, calls)
    if not isinstance(answer, list) or isinstance(place, list):
        raise WrongShape(method=METHOD, why="no list of logs and a block")
    if place is None or place.hash != "0x" + last.hash.hex():
        shown = "none" if place is None else place.hash[:80]
        message = f"unknown block 0x{last.hash.hex()}: the node has {shown} at {last.number}"
        raise RpcError(method=METHOD, code=0, message=message)
    by_hash: dict[str, list[_Log]] = {"0x" + header.hash.hex(): [] for header in headers}
    for log in answer:
        if log.blockHash not in by_hash:
            raise WrongShape(
                method=METHOD, why=f"a log of {log.blockHash[:80]!r}, not of {first} to {last.number}"
            )
        by_hash[log.blockHash].append(log)
    found = [
        whole(header, logs, families.outside(rpc.family, header.number, header.hash), sure=_sure(rpc))
        for header, logs in zip(headers, by_hash.values(), strict=True)
    ]
    told.heard.note(rpc.names[0], rpc.exchange, [header.hash for header in headers])
    return found


def _sure(rpc: Caller) -> bool:
    """Whether blooms are of their blocks' logs: the chain is listed, or some logs bore one out."""
    return rpc.family is not None or rpc.worth.shown


def whole(
    header: Header, answer: Sequence[_Log], outside: Hash | None = None, *, sure: bool = True
) -> list[Log]:
    """The answer as logs, when it can be all of the block's. Raises as `of_blocks`.

    outside: transaction whose logs stand neither in the bloom nor in the result (`Family.pseudo_receipt`);
    sure: a sealed bloom is of the block's own logs, so that it proves an answer wrong.
    """
    known: dict[str, bytes] = {}
    logs = sorted((_log(header, raw, known) for raw in answer), key=lambda log: log.index)
    logs = [log for log in logs if log.tx_hash != outside]
    where = f"block {header.number} 0x{header.hash.hex()}"
    if [log.index for log in logs] != list(range(len(logs))):
        holes = f"{METHOD}: {where}: log indexes are not 0..{len(logs) - 1} without holes"
        raise LeftOut(holes, number=header.number, block_hash=header.hash)
    if header.bloom is not None and (told := bloom(logs)) != header.bloom:
        why = f"{METHOD}: {where}: {len(logs)} logs do not add up to the header's bloom"
        if not (header.sealed and sure):
            raise Hearsay(why)  # what nothing seals is one node's word, and the bloom may be no filter at all
        if within(told, header.bloom):
            raise LeftOut(why, number=header.number, block_hash=header.hash)
        raise IncompleteAnswer(why)
    return logs


def bloom(logs: Sequence[Log]) -> bytes:
    """The filter of a block with these logs."""
    return bloom_of({item for log in logs for item in (log.address, *log.topics)})


def _log(header: Header, raw: _Log, known: dict[str, bytes]) -> Log:
    """One log of the block. known: bytes by their spelling, as most of them come again."""
    if raw.removed:
        raise WrongShape(method=METHOD, why=f"a removed log in block {header.number}")
    if _sized(raw.blockHash, 32, known) != header.hash:
        raise WrongShape(method=METHOD, why=f"a log of another block than 0x{header.hash.hex()}")
    if number(raw.blockNumber, method=METHOD) != header.number:
        raise WrongShape(method=METHOD, why=f"a log of another height than {header.number}")
    if len(raw.topics) > 4:
        raise WrongShape(method=METHOD, why="a log of more than four topics")
    return Log(
        index=number(raw.logIndex, method=METHOD),
        tx_hash=Hash(_sized(raw.transactionHash, 32, known)),
        address=Address(_sized(raw.address, 20, known)),
        topics=tuple([_sized(topic, 32, known) for topic in raw.topics]),
        data=data(raw.data, method=METHOD),
    )


def _sized(text: str, size: int, known: dict[str, bytes]) -> bytes:
    """The bytes in 0x data, exactly `size` of them. Raises: WrongShape."""
    found = known.get(text)
    if found is None or len(found) != size:
        found = known[text] = data(text, size, method=METHOD)
    return found
