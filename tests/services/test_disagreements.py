"""What nodes contradict each other in is kept by whichever process heard it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime

import pytest

from bascule.chain import heads
from bascule.chain.evidence import Exchange
from bascule.chain.pool import Pool
from bascule.domain.chain import ChainId
from bascule.entrypoints.nodes import tended
from bascule.services.disagreements import Disagreements
from bascule.services.failpoints import NO_FAILPOINTS
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.scripted_nodes import pooled


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def until_stored(pool: Pool) -> None:
    for _ in range(3_000):
        if not pool.evidence.pending:
            return
        await asyncio.sleep(0.01)


async def test_each_process_keeps_what_its_own_nodes_contradict(b: Bridge, db_as: OpenAs) -> None:
    """With the rights that it has; what could not be stored stays at hand, and what was is counted."""
    for number, role in enumerate(("api", "submitter", "worker"), 1):
        async with AsyncExitStack() as stack:
            p = await pooled(stack)
            p.scripts[0].twist = lambda method, value: (
                {**value, "gasUsed": "0xbad"} if method == heads.BY_NUMBER else value
            )
            await heads.latest(p.pool)
            assert len(p.pool.evidence.pending) == 1
            async with tended(
                await db_as(role), {b.network.chain_id: p.pool}, b.clock, NO_FAILPOINTS, asyncio.Event()
            ):
                await until_stored(p.pool)
            assert p.pool.evidence.stored == 1

        kept = await b.disagreements()
        assert [(each.node, each.other, each.refuted) for each in kept] == [("a", "b", True)] * number


class NoTime:
    """A clock that is broken."""

    def now(self) -> datetime:
        raise ValueError("there is no time")


async def test_a_fault_of_ours_beside_what_a_process_does_ends_the_process(b: Bridge, db_as: OpenAs) -> None:
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        p = await pooled(stack)
        p.pool.evidence.keep(("a", Exchange()), None, "it says so", refuted=False)

        with pytest.raises(ValueError, match="there is no time"):
            async with tended(
                await db_as("api"), {b.network.chain_id: p.pool}, NoTime(), NO_FAILPOINTS, stop
            ):
                await asyncio.wait_for(stop.wait(), 30)


async def test_what_nodes_of_a_network_disagree_about_waits_until_it_is_registered(
    b: Bridge, db_as: OpenAs
) -> None:
    async with AsyncExitStack() as stack:
        p = await pooled(stack)
        p.pool.evidence.keep(("a", Exchange()), None, "it says so", refuted=False)

        await Disagreements(await db_as("worker"), {ChainId(7): p.pool}, b.clock, NO_FAILPOINTS).run_once()

        assert len(p.pool.evidence.pending) == 1
