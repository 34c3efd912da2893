"""Mining by interval: one block every so many seconds, in step with the clock."""

import asyncio
import logging

from bascule.entrypoints.devchain.chain import LocalChain

log = logging.getLogger(__name__)


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
