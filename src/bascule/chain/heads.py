"""Block headers and chain tags, as one node sees them.

A header is taken only when its members hash to its name: then whoever knows the hash knows its bloom and its
roots. On a chain whose spelling nobody listed that may fail in good faith; such a header is not `sealed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain.errors import RpcError, WrongChain, WrongShape
from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash
from bascule.chain.hexes import data, number, quantity
from bascule.chain.rpc import Rpc
from bascule.domain.chain import BlockRef, Hash

BY_NUMBER = "eth_getBlockByNumber"
BY_HASH = "eth_getBlockByHash"


@dataclass(frozen=True, slots=True)
class Header:
    """A block's place, the filter of all its logs and the root of its receipts. bloom: 256 bytes.

    bloom, receipts_root: None where the family's headers speak of other blocks' logs than their own;
    sealed: the members hash to the block's name; base_fee: wei per gas, None before EIP-1559;
    tx_hashes: of its transactions, in order, as the node says.
    """

    ref: BlockRef
    bloom: bytes | None
    receipts_root: Hash | None = None
    sealed: bool = False
    base_fee: int | None = None
    tx_hashes: tuple[Hash, ...] = ()

    @property
    def number(self) -> int:
        return self.ref.number

    @property
    def hash(self) -> Hash:
        return self.ref.hash


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
    block = await rpc.call_as(HeaderJson | None, BY_NUMBER, tag, False)  # type: ignore[arg-type]
    if block is None:
        raise RpcError(method=BY_NUMBER, code=0, message=f"unknown block {tag}")
    return _header(rpc, block, BY_NUMBER)


async def by_number(rpc: Rpc, height: int) -> Header | None:
    """The node's canonical block at a height; None above its head."""
    return (await by_numbers(rpc, [height]))[0]


async def by_numbers(rpc: Rpc, heights: Sequence[int]) -> list[Header | None]:
    """The node's canonical blocks at these heights, in their order; None above its head."""
    calls = [(BY_NUMBER, (quantity(height), False)) for height in heights]
    blocks: list[HeaderJson | None] = await rpc.batch_as(HeaderJson | None, calls)  # type: ignore[arg-type]
    headers = [None if block is None else _header(rpc, block, BY_NUMBER) for block in blocks]
    for height, header in zip(heights, headers, strict=True):
        if header is not None and header.number != height:
            raise WrongShape(method=BY_NUMBER, why=f"block {header.number} in answer to {height}")
    return headers


async def by_hash(rpc: Rpc, block_hash: Hash) -> Header | None:
    """The block with this hash, if the node knows it."""
    return (await by_hashes(rpc, [block_hash]))[0]


async def by_hashes(rpc: Rpc, hashes: Sequence[Hash]) -> list[Header | None]:
    """The blocks with these hashes, in their order; None where the node knows none."""
    calls = [(BY_HASH, ("0x" + block_hash.hex(), False)) for block_hash in hashes]
    blocks: list[HeaderJson | None] = await rpc.batch_as(HeaderJson | None, calls)  # type: ignore[arg-type]
    headers = [None if block is None else _header(rpc, block, BY_HASH) for block in blocks]
    for wanted, header in zip(hashes, headers, strict=True):
        if header is not None and header.hash != wanted:
            raise WrongShape(method=BY_HASH, why=f"block 0x{header.hash.hex()} in answer to 0x{wanted.hex()}")
    return headers


def _header(rpc: Rpc, block: HeaderJson, method: str) -> Header:
    family = rpc.family or ETHEREUM
    name = Hash(data(block.hash, 32, method=method))
    sealed = header_hash(family, block) == name
    if rpc.family is not None and not sealed:
        raise WrongShape(
            method=method, why=f"the header of block {block.number} does not hash to {block.hash}"
        )
    elsewhere = family.elsewhere is not None and getattr(block, family.elsewhere) is not None
    bloom = data(block.logsBloom, 256, method=method)
    root = Hash(data(block.receiptsRoot, 32, method=method))
    return Header(
        BlockRef(
            number=number(block.number, method=method),
            hash=name,
            parent=Hash(data(block.parentHash, 32, method=method)),
            time=number(block.timestamp, method=method),
        ),
        bloom=None if elsewhere else bloom,
        receipts_root=None if elsewhere else root,
        sealed=sealed,
        base_fee=None if block.baseFeePerGas is None else number(block.baseFeePerGas, method=method),
        tx_hashes=tuple(Hash(data(tx_hash, 32, method=method)) for tx_hash in block.transactions),
    )
