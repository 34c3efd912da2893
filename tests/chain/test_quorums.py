"""A quorum of real clients of real HTTP servers: who is silent holds nobody up, and is heard later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.chain.errors import NodesBehind
from bascule.chain.evidence import Exchange, Tellers
from tests.support.scripted_nodes import Pooled, pooled


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_a_node_that_does_not_answer_holds_no_quorum_up_and_is_heard_when_it_does(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, quorum=2, patience_s=0.0)
    await p.pool.probe()
    hung = p.scripts[0]
    hung.silent, hung.fork, hung.final = asyncio.Event(), 1, 9
    p.asked()

    assert await heads.attested(p.pool, "finalized") == 5
    [header] = await heads.agreed_by_numbers(p.pool, [5], settled=True)

    assert header is not None
    assert p.states() == ["alive", "alive", "alive"], "nobody waited until it could be called silent"
    assert len(p.pool.nodes[0].owing) == 1, "it is not asked again before it answered"
    assert p.asked()[0] == 0
    for task in [*p.pool.nodes[0].owing]:
        hung.silent.set()
        await task
    assert p.pool.nodes[0].reached == {"finalized": 9}
    assert not p.pool.nodes[0].owing


async def test_what_a_slow_node_says_against_a_quorum_is_held_against_it_when_it_comes(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, quorum=2, patience_s=0.0)
    await p.pool.probe()
    p.scripts[0].silent, p.scripts[0].fork = asyncio.Event(), 1
    await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert p.states() == ["alive", "alive", "alive"]

    for task in [*p.pool.nodes[0].owing]:
        p.scripts[0].silent.set()
        await task

    assert p.states() == ["lying", "alive", "alive"]
    assert [kept.node for kept in p.pool.evidence.pending] == ["a"]


async def test_who_is_away_is_asked_for_a_quorum_only_where_the_others_are_none(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].status = 502
    await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert p.states() == ["unreachable", "alive", "alive"]
    p.asked()
    await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert await heads.attested(p.pool, "finalized") == 5
    assert p.asked()[0] == 0

    p.scripts[0].status, p.scripts[1].status = 200, 502
    await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert p.states() == ["alive", "unreachable", "alive"]


async def test_who_did_not_answer_is_not_waited_for_again_while_it_rests(stack: AsyncExitStack) -> None:
    """Where each node is heard, its silence is its answer; where nobody else is left it is asked again."""
    p = await pooled(stack)
    p.scripts[0].status = 502

    async def told() -> list[str]:
        answers = await p.pool.everyone(lambda node: node.call("eth_syncing"))
        return [f"{name} {type(answer).__name__}" for name, answer in answers]

    silent = ["b bool", "c bool", "a NodeUnreachable"]
    assert sorted(await told()) == sorted(silent)
    p.asked()
    assert await told() == silent
    assert p.asked() == [0, 1, 1]
    p.scripts[0].status, p.scripts[1].status, p.scripts[2].status = 200, 502, 502
    await told()
    assert "a bool" in await told(), "all rest"
    p.scripts[1].status = p.scripts[2].status = 200
    p.advance(60.0)
    assert sorted(await told()) == ["a bool", "b bool", "c bool"]


async def slowly(p: Pooled, seconds: float, times: int) -> None:
    """The first node's answers to the next quorums come so late, by the pool's clock."""
    slow = p.scripts[0]
    for _ in range(times):
        slow.silent = asyncio.Event()
        await heads.attested(p.pool, "finalized")
        p.advance(seconds)
        slow.silent.set()
        await asyncio.gather(*p.pool.nodes[0].owing)


async def test_a_slow_node_comes_after_its_like_until_it_is_quick_again(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2, tiers="112", patience_s=0.0)
    for _ in range(3):
        await p.pool.probe()

    async def first() -> str:
        told = Tellers()
        await heads.by_number(p.pool.noting(told), 3)
        return next(iter(told))

    await slowly(p, 9.0, 2)
    assert await first() == "a", "two slow answers of five are an accident"
    await slowly(p, 9.0, 1)
    assert await first() == "b"
    await slowly(p, 0.15, 5)
    assert await first() == "b", "three times as slow is not quick again, or it would go back and forth"
    p.scripts[1].status = 500
    assert await first() == "a", "slow is better than of a lower tier"
    p.scripts[1].status = 200
    p.advance(1.0)
    await p.pool.probe()
    await slowly(p, 0.05, 5)
    assert await first() == "a"


async def test_what_a_proven_liar_says_late_is_not_attested(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2, patience_s=0.0)
    await p.pool.probe()
    hung = p.scripts[0]
    hung.silent, hung.final = asyncio.Event(), 9
    assert await heads.attested(p.pool, "finalized") == 5
    p.pool.refute(("a", Exchange()), ("b", Exchange()), "its logs are not those of the receipts")

    for task in [*p.pool.nodes[0].owing]:
        hung.silent.set()
        await task

    assert p.pool.nodes[0].reached == {}


async def test_false_heads_of_two_nodes_at_two_times_are_no_quorum(stack: AsyncExitStack) -> None:
    """Each was alone when it said so."""
    p = await pooled(stack, quorum=2)
    for script in p.scripts[:2]:
        script.head = 1_000
        assert await heads.attested(p.pool, "latest") == 10
        script.head = 10
        assert await heads.attested(p.pool, "latest") == 10


async def test_a_look_that_began_before_takes_no_head_back(stack: AsyncExitStack) -> None:
    p = await pooled(stack)
    await p.pool.probe()
    told = asyncio.Event()

    async def earlier(node: Caller) -> int:
        await told.wait()
        return 10

    async def later(node: Caller) -> int:
        return 12

    began = asyncio.create_task(p.pool.rising("latest", earlier, int))
    await asyncio.sleep(0)
    assert await p.pool.rising("latest", later, int) == 12
    told.set()

    with pytest.raises(NodesBehind):
        await began
