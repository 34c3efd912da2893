"""What the story needs of a node beside the standard methods: our local chain's way, and anvil's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bascule.chain.errors import RpcError
from bascule.chain.rpc import Rpc
from bascule.entrypoints.dev.wallet import Mined

ANVIL, OURS = "anvil", "bascule-devchain"  # by which they name themselves, before the version

INVALID_PARAMS = -32602  # of JSON-RPC; of a transaction to be dropped that is in no block so near the head


async def mines_by_itself(rpc: Rpc) -> bool:
    """False for an anvil that mines on demand, where nothing becomes final, or at less than a second.

    anvil tells its interval in whole seconds, so a shorter one could not be brought back after a pause.
    """
    return await _client(rpc) != ANVIL or bool(await rpc.call("anvil_getIntervalMining"))


async def can_reorganise(rpc: Rpc) -> bool:
    """Whether `take_away` knows how with this node."""
    return await _client(rpc) in (ANVIL, OURS)


async def take_away(rpc: Rpc, mined: Mined) -> int | None:
    """Replaces a transaction's block and all above it, as when another miner's blocks win; how many.

    The node has forgotten the transaction, every other one comes back. None: it is still there, because it is
    final or nearly so, or because a new block came in between.
    """
    if await _client(rpc) == ANVIL:
        depth = await _by_anvil(rpc, mined)
    elif (depth := await _depth(rpc, mined)) is not None:
        try:
            await rpc.call("bascule_reorg", {"depth": hex(depth), "drop": [mined.hash]})
        except RpcError as error:
            if error.code != INVALID_PARAMS:
                raise  # else the block is deeper than it was: the receipt below says so
    return depth if await rpc.call("eth_getTransactionReceipt", mined.hash) is None else None


async def _by_anvil(rpc: Rpc, mined: Mined) -> int | None:
    """anvil's reorg forgets every replaced transaction that it is not given again."""
    async with _mining_paused(rpc):
        depth = await _depth(rpc, mined)
        if depth is not None:
            again = [
                [await rpc.call("eth_getRawTransactionByHash", tx_hash), offset]
                for offset in range(depth)
                for tx_hash in await _transactions(rpc, mined.block_number + offset)
                if tx_hash != mined.hash
            ]
            await rpc.call("anvil_reorg", depth, again)
    return depth


@asynccontextmanager
async def _mining_paused(rpc: Rpc) -> AsyncIterator[None]:
    """No block comes meanwhile; a block between reading and replacing would shift what is replaced."""
    interval = await rpc.call("anvil_getIntervalMining")
    await rpc.call("evm_setIntervalMining", 0)
    try:
        yield
    finally:
        await rpc.call("evm_setIntervalMining", interval)


async def _depth(rpc: Rpc, mined: Mined) -> int | None:
    """How many blocks must go; None when the transaction is final or nearly so."""
    head = int(await rpc.call("eth_blockNumber"), 16)
    final = int((await rpc.call("eth_getBlockByNumber", "finalized", False))["number"], 16)
    return head - mined.block_number + 1 if final + 1 < mined.block_number else None


async def _transactions(rpc: Rpc, number: int) -> list[str]:
    return list((await rpc.call("eth_getBlockByNumber", hex(number), False))["transactions"])


async def _client(rpc: Rpc) -> str:
    return str(await rpc.call("web3_clientVersion")).partition("/")[0]
