"""What nodes contradict each other in is kept by whichever process heard it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bascule.chain import heads
from bascule.chain.pool import Pool
from bascule.entrypoints.nodes import tended
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
            async with tended(await db_as(role), {b.network.chain_id: p.pool}, b.clock, NO_FAILPOINTS):
                await until_stored(p.pool)
            assert p.pool.evidence.stored == 1

        kept = await b.disagreements()
        assert [(each.node, each.other, each.refuted) for each in kept] == [("a", "b", True)] * number
