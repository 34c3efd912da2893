"""A shop that is paid by x402 in real time: its API behind HTTP, blocks that come, a lane that works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.chain import LocalNode
from tests.support.money_out import OpenAs
from tests.support.money_out_setup import deploy_vault
from tests.support.paying_x402 import Till, api_of, till
from tests.support.sandbox import served

BLOCK_S = 1.0


async def _deploy_now(node: LocalNode) -> Any:
    """As `deploy_vault`, at the time of day: other tests' chains stand in another year."""
    return await deploy_vault(node)


@asynccontextmanager
async def till_of_today(open_as: OpenAs, folder: Path, **stages: Any) -> AsyncIterator[Till]:
    """A till whose clock and chain say what strangers' programs hold for the time. stages: as `till`."""
    async with till(open_as, folder, lay=_deploy_now, start=datetime.now(UTC), **stages) as shop:
        yield shop


@asynccontextmanager
async def opened(shop: Till) -> AsyncIterator[str]:
    """The API's address, while a block comes each second, is read, and the lane works."""
    working = asyncio.create_task(_work(shop))
    try:
        async with served(api_of(shop.world)) as url:
            yield url
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def _work(shop: Till) -> None:
    lane, mined = await shop.lane(), 0.0
    while True:
        shop.stage.clock.time = datetime.now(UTC)
        mine = asyncio.get_running_loop().time() - mined >= BLOCK_S
        if mine:
            mined = asyncio.get_running_loop().time()
        await shop.stage.follow(int(mine))
        await lane.run_once()
        await asyncio.sleep(0.05)
