"""Block headers and chain tags, as one node sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain.errors import RpcError, WrongChain, WrongShape
from bascule.chain.hexes import data, number, quantity
from bascule.chain.rpc import Rpc
from bascule.domain.chain import BlockRef, Hash

BY_NUMBER = "eth_getBlockByNumber"
BY_HASH = "eth_getBlockByHash"


@dataclass(frozen=True, slots=True)
class Header:
    """A block's place and the filter of all its logs. bloom: 256 bytes."""

    ref: BlockRef
    bloom: bytes

    @property
    def number(self) -> int:
        return self.ref.number

    @property
    def hash(self) -> Hash:
        return self.ref.hash


class _Block(msgspec.Struct):
    """The members of a block that are read; pending blocks have nulls here and are refused."""

    number: str
    hash: str
    parentHash: str
    timestamp: str
    logsBloom: str


async def chain_id(rpc: Rpc) -> int:
    """The chain the node serves."""
    return number(await rpc.call_as(str, "eth_chainId"), method="eth_chainId")


async def require_chain(rpc: Rpc, expected: int) -> None:
    """Returns when the node serves chain `expected`. Raises: WrongChain (a Halted)."""
    found = await chain_id(rpc)
    if found != expected:
        raise WrongChain(expected=expected, found=found)


async def latest(rpc: Rpc) -> Header:
    """The newest block the node knows."""
    return await tagged(rpc, "latest")


async def tagged(rpc: Rpc, tag: str) -> Header:
    """The block under `latest`, `safe` or `finalized`. Raises: RpcError when the node has none."""
    block = await rpc.call_as(_Block | None, BY_NUMBER, tag, False)  # type: ignore[arg-type]
    if block is None:
        raise RpcError(method=BY_NUMBER, code=0, message=f"unknown block {tag}")
    return _header(block, BY_NUMBER)


async def by_number(rpc: Rpc, height: int) -> Header | None:
    """The node's canonical block at a height; None above its head."""
    return (await by_numbers(rpc, [height]))[0]


async def by_numbers(rpc: Rpc, heights: Sequence[int]) -> list[Header | None]:
    """The node's canonical blocks at these heights, in their order; None above its head."""
    calls = [(BY_NUMBER, (quantity(height), False)) for height in heights]
    blocks: list[_Block | None] = await rpc.batch_as(_Block | None, calls)  # type: ignore[arg-type]
    headers = [None if block is None else _header(block, BY_NUMBER) for block in blocks]
    for height, header in zip(heights, headers, strict=True):
        if header is not None and header.number != height:
            raise WrongShape(method=BY_NUMBER, why=f"block {header.number} in answer to {height}")
    return headers


async def by_hash(rpc: Rpc, block_hash: Hash) -> Header | None:
    """The block with this hash, if the node knows it."""
    block = await rpc.call_as(_Block | None, BY_HASH, "0x" + block_hash.hex(), False)  # type: ignore[arg-type]
    if block is None:
        return None
    header = _header(block, BY_HASH)
    if header.hash != block_hash:
        raise WrongShape(method=BY_HASH, why=f"block 0x{header.hash.hex()} in answer to 0x{block_hash.hex()}")
    return header


def _header(block: _Block, method: str) -> Header:
    return Header(
        BlockRef(
            number=number(block.number, method=method),
            hash=Hash(data(block.hash, 32, method=method)),
            parent=Hash(data(block.parentHash, 32, method=method)),
            time=number(block.timestamp, method=method),
        ),
        bloom=data(block.logsBloom, 256, method=method),
    )
