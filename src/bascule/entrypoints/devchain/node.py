"""A running local chain: start it, use its URL, stop it. In a test's process or as a process of its own."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from bascule.entrypoints.devchain.accounts import DevAccount, dev_accounts
from bascule.entrypoints.devchain.chain import LocalChain, wall_clock
from bascule.entrypoints.devchain.methods import Methods
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.pool import Limits
from bascule.entrypoints.devchain.records import Block
from bascule.entrypoints.devchain.server import application
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints

DEFAULT_CHAIN_ID = 31_337
DEFAULT_PORT = 8_545
SHUTDOWN_SECONDS = 2.0


class DevChain:
    """The local chain behind JSON-RPC at `url`.

    `port` 0 takes a free one; `data_dir` None keeps nothing; `block_time` in seconds, None mines on demand
    (below one second timestamps run ahead of the clock, because each must be later than the last); `safe` and
    `finalized` are distances from the head in blocks; `limits` are the mempool's. `start` raises
    OSError when the port is taken and `errors.DataDirError` when the stored chain cannot be used.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data_dir: Path | None = None,
        chain_id: int = DEFAULT_CHAIN_ID,
        block_time: float | None = None,
        safe: int = 2,
        finalized: int = 4,
        clock: Callable[[], float] = wall_clock,
        failpoints: Failpoints = NO_FAILPOINTS,
        limits: Limits = Limits(),  # noqa: B008  # immutable
    ) -> None:
        self._host, self._port = host, port
        self._data_dir, self._block_time = data_dir, block_time
        self.chain_id = chain_id
        self._safe, self._finalized, self._clock = safe, finalized, clock
        self._failpoints = failpoints
        self._limits = limits
        self._chain: LocalChain | None = None
        self._runner: web.AppRunner | None = None
        self._miner: Miner | None = None

    async def start(self) -> None:
        """Binds the port, loads the stored blocks and begins to answer."""
        chain = await asyncio.to_thread(self._load)
        self._chain, self._miner = chain, Miner(chain)
        self._runner = web.AppRunner(
            application(Methods(chain, self._miner)),
            access_log=None,
            shutdown_timeout=SHUTDOWN_SECONDS,
            handle_signals=False,
        )
        try:
            await self._runner.setup()
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
        except OSError:
            await self.stop()
            raise
        self._port = int(self._runner.addresses[0][1])
        await self._miner.set_interval(self._block_time)

    def _load(self) -> LocalChain:
        return LocalChain(
            data_dir=self._data_dir,
            chain_id=self.chain_id,
            safe=self._safe,
            finalized=self._finalized,
            clock=self._clock,
            failpoints=self._failpoints,
            limits=self._limits,
        )

    async def stop(self) -> None:
        """Stops mining and answering and frees port and data directory. Idempotent."""
        if self._miner is not None:
            await self._miner.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._chain is not None:
            await self._chain.close()
        self._miner = self._runner = self._chain = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where JSON-RPC answers; only while started."""
        return f"http://{self._host}:{self._port}"

    @property
    def accounts(self) -> tuple[DevAccount, ...]:
        """The funded accounts with their private keys."""
        return dev_accounts()

    @property
    def chain(self) -> LocalChain:
        """The chain itself, without HTTP; only while started."""
        if self._chain is None:
            raise RuntimeError("the local chain is not started")
        return self._chain

    async def mine(self, count: int = 1) -> Block:
        """Mines `count` blocks and returns the last; the first carries what waits."""
        return await self.chain.mine(count)

    async def mine_every(self, seconds: float | None) -> None:
        """Mines a block every so many seconds from now on; None: on demand alone."""
        if self._miner is None:
            raise RuntimeError("the local chain is not started")
        await self._miner.set_interval(seconds)

    async def reorg(self, depth: int, drop: Collection[str] = ()) -> Block:
        """Replaces the last `depth` blocks by one more, without the transactions in `drop` (hex hashes)."""
        return await self.chain.reorg(depth, {bytes.fromhex(tx_hash.removeprefix("0x")) for tx_hash in drop})


async def serve(
    host: str,
    port: int,
    *,
    data_dir: Path | None,
    chain_id: int = DEFAULT_CHAIN_ID,
    block_time: float | None = 1.0,
    safe: int = 2,
    finalized: int = 4,
    ready: Callable[[DevChain], None] | None = None,
    failpoints: Failpoints = NO_FAILPOINTS,
) -> None:
    """Runs a local chain until cancelled; calls `ready` once it answers. Raises as `DevChain.start` does."""
    chain = DevChain(
        host=host,
        port=port,
        data_dir=data_dir,
        chain_id=chain_id,
        block_time=block_time,
        safe=safe,
        finalized=finalized,
        failpoints=failpoints,
    )
    async with chain:
        if ready is not None:
            ready(chain)
        await asyncio.Event().wait()
