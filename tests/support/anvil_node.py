"""anvil where a story expects our local chain: blocks and reorgs come when the test asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bascule.entrypoints.devchain.accounts import dev_accounts
from tests.support.anvil import anvil
from tests.support.chain import LocalNode


class AnvilChain:
    """The part of DevChain that tests use."""

    chain_id = 31_337
    accounts = dev_accounts()

    def __init__(self, url: str) -> None:
        self.url = url
        self.node: LocalNode

    async def mine(self, count: int = 1) -> None:
        """Mines blocks; the first carries what waits."""
        for _ in range(count):
            await self.node.rpc("evm_mine")

    async def reorg(self, depth: int, drop: Collection[str] = ()) -> None:
        """Replaces the last `depth` blocks by as many; the last carries their transactions but for `drop`."""
        head = int(await self.node.rpc("eth_blockNumber"), 16)
        again = []
        for number in range(head - depth + 1, head + 1):
            for tx_hash in (await self.node.rpc("eth_getBlockByNumber", hex(number), False))["transactions"]:
                if tx_hash not in drop:
                    again.append([await self.node.rpc("eth_getRawTransactionByHash", tx_hash), depth - 1])
        await self.node.rpc("anvil_reorg", depth, again)


@asynccontextmanager
async def anvil_node(*, finalized: int = 4, **_: Any) -> AsyncIterator[LocalNode]:
    """Starts an anvil as `local_node` starts ours. finalized: an even number of blocks behind the head."""
    with anvil("--no-mining", epoch=finalized // 2) as url:
        async with aiohttp.ClientSession() as session:
            chain = AnvilChain(url)
            chain.node = LocalNode(chain, session)  # type: ignore[arg-type]
            yield chain.node
