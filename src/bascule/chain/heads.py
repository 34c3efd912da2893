"""Block headers and chain tags, as one node sees them.

A header is taken only when its members hash to its name: then whoever knows the hash knows its bloom and its
roots. On a chain whose spelling nobody listed that may fail in good faith; such a header is not `sealed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bascule.chain import partly
from bascule.chain.caller import Ask, Call, Caller
from bascule.chain.errors import RpcError, WrongChain, WrongShape
from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash
from bascule.chain.hexes import data, number, quantity
from bascule.domain.chain import BlockRef, Hash
from bascule.domain.hashing import keccak

BY_NUMBER = "eth_getBlockByNumber"
BY_HASH = "eth_getBlockByHash"
K = TypeVar("K", int, Hash)
Headers = list["Header | None"]


@dataclass(frozen=True, slots=True)
class Header:
    """A block's place, the filter of all its logs and the root of its receipts. bloom: 256 bytes.

    bloom, receipts_root: None where the family's headers speak of other blocks' logs than their own; bloom
    also where it is all zero and nothing seals it, as on rollups that keep no filter;
    sealed: the members hash to the block's name; base_fee: wei per gas, None before EIP-1559;
    tx_hashes: of its transactions, in order, which nothing seals; None: not told; named: a quorum of several
    tells them, else they are one node's word; members: what the name is the hash of, where it is sealed.
    """

    ref: BlockRef
    bloom: bytes | None
    receipts_root: Hash | None = None
    sealed: bool = False
    base_fee: int | None = None
    tx_hashes: tuple[Hash, ...] | None = None
    named: bool = False
    members: HeaderJson | None = field(default=None, compare=False, repr=False)

    @property
    def number(self) -> int:
        return self.ref.number

    @property
    def hash(self) -> Hash:
        return self.ref.hash


async def chain_id(rpc: Caller) -> int:
    """The chain the node serves."""
    return number(await rpc.call_as(str, "eth_chainId"), method="eth_chainId")


async def require_chain(rpc: Caller, expected: int) -> None:
    """Returns when the node serves chain `expected`. Raises: WrongChain (a Halted)."""
    found = await chain_id(rpc)
    if found != expected:
        raise WrongChain(expected=expected, found=found)


async def latest(rpc: Caller) -> Header:
    """The newest block the nodes know; as `Caller.rising` never one below what they said before."""
    return await tagged(rpc, "latest")


async def tagged(rpc: Caller, tag: str) -> Header:
    """The block under `latest`, `safe` or `finalized`. Raises: RpcError when the node has none."""
    return await rpc.rising(tag, lambda node: _tagged(node, tag), lambda header: header.number)


async def attested(rpc: Caller, tag: str) -> int:
    """The greatest number that a quorum of nodes has under a tag. Raises: NoQuorum, or as `tagged`."""
    return await rpc.attested(tag, lambda node: _tagged(node, tag), lambda header: header.number)


async def _tagged(rpc: Caller, tag: str) -> Header:
    block = await rpc.call_as(HeaderJson | None, BY_NUMBER, tag, False)  # type: ignore[arg-type]
    if block is None:
        raise RpcError(method=BY_NUMBER, code=0, message=f"unknown block {tag}")
    return _header(rpc, block, BY_NUMBER)


async def by_number(rpc: Caller, height: int) -> Header | None:
    """The node's canonical block at a height; None above its head."""
    return (await by_numbers(rpc, [height]))[0]


async def by_numbers(rpc: Caller, heights: Sequence[int]) -> list[Header | None]:
    """The canonical blocks at these heights, in their order, as one node has them; None above its head.

    What one node refuses is asked of the next; None where all do, unless that is the first.
    """
    found: dict[int, Header] = {}
    return await _as_far_as_told(rpc, heights, found, lambda node: _by_numbers(node, heights, found))


async def agreed_by_numbers(rpc: Caller, heights: Sequence[int], *, settled: bool) -> list[Header | None]:
    """As `by_numbers`, as a quorum of nodes has them. settled: blocks that cannot change any more.

    Raises: NoQuorum when too few nodes have the same ones.
    """
    return await rpc.agreed(lambda node: _by_numbers(node, heights, {}), _hashes, settled=settled)


def _hashes(headers: list[Header | None]) -> list[Hash | None]:
    return [None if header is None else header.hash for header in headers]


async def _as_far_as_told(
    rpc: Caller, wanted: Sequence[K], found: dict[K, Header], ask: Ask[Headers]
) -> Headers:
    """The node's answer; what `ask` put into `found` where every node refuses the rest."""
    try:
        return await rpc.checked(ask, lambda headers: None not in headers)
    except RpcError:
        if not wanted or wanted[0] not in found:
            raise
        return [found.get(each) for each in wanted]


async def _by_numbers(rpc: Caller, heights: Sequence[int], found: dict[int, Header]) -> Headers:
    """Those that are not in `found` are asked for."""
    calls = {height: (BY_NUMBER, (quantity(height), False)) for height in heights if height not in found}
    headers, refusal = await _asked(rpc, calls, BY_NUMBER)
    for height, header in headers.items():
        if header.number != height:
            raise WrongShape(method=BY_NUMBER, why=f"block {header.number} in answer to {height}")
    found.update(headers)
    if refusal is not None:
        raise refusal
    return [found.get(height) for height in heights]


async def _asked(
    rpc: Caller, calls: Mapping[K, Call], method: str
) -> tuple[dict[K, Header], RpcError | None]:
    """The headers that the node has, and the first refusal."""
    shape: type[HeaderJson | None] = HeaderJson | None  # type: ignore[assignment]
    blocks, refusal = await partly.answers(rpc, shape, calls)
    return {k: _header(rpc, block, method) for k, block in blocks.items() if block is not None}, refusal


def linked(headers: Sequence[Header | None]) -> list[Header]:
    """The headers up to the first that is missing, or does not follow the one before it."""
    found: list[Header] = []
    for header in headers:
        if header is None or (found and header.ref.parent != found[-1].hash):
            break
        found.append(header)
    return found


async def by_hash(rpc: Caller, block_hash: Hash) -> Header | None:
    """The block with this hash, if the node knows it."""
    return (await by_hashes(rpc, [block_hash]))[0]


async def by_hashes(rpc: Caller, hashes: Sequence[Hash]) -> list[Header | None]:
    """The blocks with these hashes, in their order; None where the node knows none, or as `by_numbers`."""
    if not hashes:
        return []
    found: dict[Hash, Header] = {}
    return await _as_far_as_told(rpc, hashes, found, lambda node: _by_hashes(node, hashes, found))


async def named(rpc: Caller, hashes: Sequence[Hash]) -> list[Header | None]:
    """As `by_hashes`, with the names of their transactions as a quorum of nodes tells them.

    None where too few know the block, or its transactions. Where one node is believed it is that node's word.
    Raises: NoQuorum when too few nodes answer, or differ and none has a quorum.
    """
    if rpc.quorum == 1 or not hashes:
        return await by_hashes(rpc, hashes)
    told = await rpc.agreed(lambda node: _all_that_is_told(node, hashes), _names, settled=True, partly=True)
    return [
        None if name is None or each is None else replace(each, named=True)
        for each, name in zip(told, _names(told), strict=True)
    ]


def _names(headers: Headers) -> list[Hash | None]:
    """What a node says of the blocks' transactions."""
    return [
        None if each is None or each.tx_hashes is None else Hash(keccak(each.hash + b"".join(each.tx_hashes)))
        for each in headers
    ]


async def _all_that_is_told(rpc: Caller, hashes: Sequence[Hash]) -> Headers:
    """None also for what the node refuses, unless that is all."""
    found: dict[Hash, Header] = {}
    try:
        return await _by_hashes(rpc, hashes, found)
    except RpcError:
        if not found:
            raise
        return [found.get(each) for each in hashes]


async def _by_hashes(rpc: Caller, hashes: Sequence[Hash], found: dict[Hash, Header]) -> Headers:
    """Those that are not in `found` are asked for."""
    calls = {each: (BY_HASH, ("0x" + each.hex(), False)) for each in hashes if each not in found}
    headers, refusal = await _asked(rpc, calls, BY_HASH)
    for wanted, header in headers.items():
        if header.hash != wanted:
            raise WrongShape(method=BY_HASH, why=f"block 0x{header.hash.hex()} in answer to 0x{wanted.hex()}")
    found.update(headers)
    if refusal is not None:
        raise refusal
    return [found.get(each) for each in hashes]


def _header(rpc: Caller, block: HeaderJson, method: str) -> Header:
    family = rpc.family or ETHEREUM
    name = Hash(data(block.hash, 32, method=method))
    sealed = header_hash(family, block) == name
    if rpc.family is not None and not sealed:
        raise WrongShape(
            method=method, why=f"the header of block {block.number} does not hash to {block.hash}"
        )
    elsewhere = family.elsewhere is not None and getattr(block, family.elsewhere) is not None
    bloom = data(block.logsBloom, 256, method=method)
    unfiltered = not sealed and not any(bloom)
    root = Hash(data(block.receiptsRoot, 32, method=method))
    return Header(
        BlockRef(
            number=number(block.number, method=method),
            hash=name,
            parent=Hash(data(block.parentHash, 32, method=method)),
            time=number(block.timestamp, method=method),
        ),
        bloom=bloom if rpc.worth.bloom and not elsewhere and not unfiltered else None,
        receipts_root=root if rpc.worth.root and not elsewhere else None,
        sealed=sealed,
        base_fee=None if block.baseFeePerGas is None else number(block.baseFeePerGas, method=method),
        tx_hashes=None
        if block.transactions is None
        else tuple(Hash(data(tx_hash, 32, method=method)) for tx_hash in block.transactions),
        members=block if sealed else None,
    )
