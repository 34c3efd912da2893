"""When blocks are mined: by interval, with each transaction, or on demand alone; switchable at any time."""

import asyncio
import logging
from contextlib import suppress

from bascule.entrypoints.devchain.chain import LocalChain

log = logging.getLogger(__name__)


class Miner:
    """Mines `chain` on its own: by interval, or with each transaction (automine), or not at all."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._switching = asyncio.Lock()
        self._beats: asyncio.Task[None] | None = None
        self._automine = False

    async def set_interval(self, seconds: float | None) -> None:
        """Mines a block every so many seconds from now on, or with None no longer; ends automine."""
        async with self._switching:
            await self._rest()
            if seconds is not None:
                self._beats = asyncio.create_task(mine_forever(self._chain, seconds))

    async def set_automine(self, on: bool) -> None:
        """Mines a block with each transaction that can be mined, instead of by interval; off: no longer."""
        async with self._switching:
            if on:
                await self._rest()
            self._automine = on

    async def accepted(self, tx_hash: bytes) -> None:
        """Mines a transaction that was just accepted, if automine is on and no nonce is missing before it."""
        if self._automine and self._chain.pool.is_pending(tx_hash):
            await self._chain.mine()

    async def stop(self) -> None:
        """Mines nothing on its own any more. Idempotent."""
        await self.set_interval(None)

    async def _rest(self) -> None:
        self._automine = False
        if self._beats is not None:
            self._beats.cancel()
            with suppress(asyncio.CancelledError):
                await self._beats
            self._beats = None


async def mine_forever(chain: LocalChain, interval: float) -> None:
    """Mines a block each `interval` seconds until cancelled; when mining falls behind, beats are left out.

    A failure is logged and the next beat tries again: waiting transactions keep waiting.
    """
    loop = asyncio.get_running_loop()
    beat = loop.time() + interval
    while True:
        await asyncio.sleep(max(0.0, beat - loop.time()))
        try:
            await chain.mine()
        except Exception:
            log.exception("no block was mined; trying again in %s s", interval)
        beat = max(beat + interval, loop.time())
