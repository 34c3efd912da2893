"""The nodes that a process asks: a pool of clients for each configured chain, and what measures them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp

from bascule.chain import families
from bascule.chain.pool import PROBE_S, Pool, pool
from bascule.chain.rpc import Rpc, untimed
from bascule.domain.chain import ChainId
from bascule.entrypoints.schedule import Loop, run_all
from bascule.services.failpoints import Failpoints
from bascule.services.seams import Clock
from bascule.storage.database import Database

if TYPE_CHECKING:
    from bascule.entrypoints.metrics import Meters
    from bascule.entrypoints.wiring import Settings


@asynccontextmanager
async def nodes(
    settings: Settings, guard: Callable[[], None], meters: Meters | None = None
) -> AsyncIterator[dict[int, Pool]]:
    """Each configured chain's nodes, probed from time to time where there are several."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:

        def client(url: str, chain_id: int) -> Rpc:
            family = families.of(chain_id)
            timed = untimed if meters is None else meters.timed(url)
            return Rpc(
                url,
                session=session,
                guard=guard,
                timeout_s=settings.rpc_timeout_s,
                family=family,
                timed=timed,
            )

        pools = {
            chain.id: pool(
                [(client(node.url, chain.id), node.tier) for node in chain.rpc],
                chain_id=chain.id,
                quorum=chain.quorum,
            )
            for chain in settings.chains
        }
        if meters is not None:
            meters.watch(pools)
        probing = asyncio.create_task(_probe([each for each in pools.values() if len(each.nodes) > 1]))
        try:
            yield pools
        finally:
            probing.cancel()
            with suppress(asyncio.CancelledError):
                await probing


async def _probe(pools: Sequence[Pool]) -> None:
    while pools:
        await asyncio.gather(*(each.probe() for each in pools))
        await asyncio.sleep(PROBE_S)


def pardoning(db: Database, pools: Mapping[int, Pool]) -> Loop:
    """Looks for the nodes that an operator lets back, as often as nodes are probed."""
    from bascule.services.pardons import Pardons

    return Loop(Pardons(db, _by_chain(pools)), PROBE_S)


def keeping(db: Database, pools: Mapping[int, Pool], clock: Clock, failpoints: Failpoints) -> Loop:
    """Stores what nodes disagreed about; a watcher does so itself, at each look."""
    from bascule.services.disagreements import Disagreements

    return Loop(Disagreements(db, _by_chain(pools), clock, failpoints), PROBE_S)


@asynccontextmanager
async def tended(
    db: Database, pools: Mapping[int, Pool], clock: Clock, failpoints: Failpoints, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Both of it, beside whatever a process does that has no loops of its own, until `stop`.

    A fault of ours in it stops the process, as one in a loop does elsewhere, and is raised at the end.
    """
    loops = [pardoning(db, pools), keeping(db, pools, clock, failpoints)]
    running = asyncio.create_task(run_all(db, clock, loops=loops, stop=stop))
    running.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _by_chain(pools: Mapping[int, Pool]) -> dict[ChainId, Pool]:
    return {ChainId(chain_id): each for chain_id, each in pools.items()}


def measured(settings: Settings) -> Meters | None:
    """What measures a process that serves it; None where nobody can ask."""
    if settings.metrics_port is None:
        return None
    from bascule.entrypoints.metrics import Meters

    return Meters()
