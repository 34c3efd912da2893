"""A second opinion is another node's: who was asked before is waited with, or left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bascule.chain import heads
from bascule.chain.errors import NodeUnreachable
from bascule.chain.evidence import Tellers
from tests.support.scripted_nodes import Pooled, pooled


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def without_the_second(stack: AsyncExitStack) -> Pooled:
    """Two nodes, of which the second was found to be away."""
    p = await pooled(stack, count=2)
    p.scripts[1].status = 502
    await p.pool.probe()
    assert p.states() == ["alive", "unreachable"]
    p.asked()
    return p


@pytest.mark.parametrize("rested", [False, True])
async def test_who_is_away_is_asked_after_the_one_that_was_asked_before(
    stack: AsyncExitStack, rested: bool
) -> None:
    """What a hash proves may come from either: nobody waits for the silent one first."""
    p = await without_the_second(stack)
    p.advance(3_600 if rested else 0)

    assert (await heads.latest(p.pool.other(than=["a"]))).number == 10

    assert p.asked()[1] == 0


async def test_a_second_opinion_never_comes_from_the_first_node(stack: AsyncExitStack) -> None:
    """Nobody else answers: that is said, at once while the other rests, and it is waited for."""
    p = await without_the_second(stack)
    second = p.pool.other(than=["a"], only=True)

    with pytest.raises(NodeUnreachable, match="no node but a answers"):
        await heads.latest(second)
    assert p.asked() == [0, 0]
    p.advance(3_600)
    with pytest.raises(NodeUnreachable):
        await heads.latest(second)
    assert p.asked()[0] == 0
    p.scripts[1].status = 200
    p.advance(3_600)
    told = Tellers()
    await heads.latest(second.noting(told))
    assert [*told] == ["b"]


async def test_where_every_node_was_asked_or_there_is_one_any_may_be_asked_again(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, count=2)
    assert (await heads.latest(p.pool.other(than=["a", "b"], only=True))).number == 10
    lone = p.pool.nodes[0].rpc
    assert (await heads.latest(lone.other(than=["a"], only=True))).number == 10
