"""The pool against real clients of real HTTP servers that say what a test tells them to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.chain import heads, logs
from bascule.chain.bloom import bloom_of
from bascule.chain.errors import NodesBehind, NodeUnreachable, NoQuorum, RpcError, WrongShape
from bascule.chain.evidence import Tellers
from bascule.chain.families import ETHEREUM
from bascule.chain.heads import Header
from bascule.chain.node import Node, NodeState, names
from bascule.chain.pool import Pool
from bascule.chain.rpc import Rpc
from bascule.domain.chain import BlockRef, Hash
from bascule.domain.errors import Retryable
from tests.support.nodes import no_guard, serve
from tests.support.scripted_nodes import CHAIN, Script, block, pooled


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_the_next_node_answers_when_one_fails_and_it_comes_back_by_a_probe(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack)
    p.scripts[0].status = 502
    assert (await heads.latest(p.pool)).number == 10
    assert p.states() == ["unreachable", "alive", "alive"]
    p.asked()
    await heads.latest(p.pool)
    assert p.asked() == [0, 1, 0]
    p.scripts[0].status = 200
    await p.pool.probe()
    assert p.states()[0] == "unreachable", "its rest is not over"
    p.advance(1.0)
    await p.pool.probe()
    assert p.states()[0] == "alive"


async def test_a_lower_tier_is_asked_only_when_the_upper_one_fails(stack: AsyncExitStack) -> None:
    p = await pooled(stack, tiers="211")
    await heads.latest(p.pool)
    assert p.asked()[0] == 0
    p.scripts[1].status = p.scripts[2].status = 503
    await heads.latest(p.pool)
    assert p.asked()[0] == 2  # its chain, and the head


async def test_a_node_of_another_chain_is_never_believed(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    p.scripts[0].chain_id = 1
    p.scripts[0].head = 99
    assert (await heads.latest(p.pool)).number == 10
    assert p.states() == ["wrong_chain", "alive"]
    p.scripts[1].status = 500
    with pytest.raises(NodeUnreachable):
        await heads.latest(p.pool)
    p.scripts[0].chain_id = CHAIN
    await p.pool.probe()
    assert p.states()[0] == "alive"


async def test_a_bent_header_is_kept_beside_the_true_one_and_its_node_is_left_alone(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack)
    p.scripts[0].twist = lambda method, value: (
        {**value, "gasUsed": "0xbad"} if method == heads.BY_NUMBER else value
    )
    assert (await heads.latest(p.pool)).number == 10
    assert p.states() == ["lying", "alive", "alive"]
    [kept] = p.pool.evidence.pending
    assert (kept.node, kept.other, kept.refuted) == ("a", "b", True)
    assert b"0xbad" in kept.answer
    assert b"0xbad" not in (kept.other_answer or b"")
    assert b"latest" in kept.request
    assert p.pool.nodes[0].counters["lies"] == 1
    p.advance(3_601)
    p.scripts[0].twist = lambda method, value: value
    await p.pool.probe()
    assert p.states()[0] == "alive"


async def test_a_header_that_nothing_seals_makes_no_liar_of_whom_it_contradicts(
    stack: AsyncExitStack,
) -> None:
    """Nobody listed the chain: a node's own bloom bears out the log that it invents, and no other node."""
    p = await pooled(stack, count=2)
    place = BlockRef(7, Hash(bytes([7]) * 32), Hash(bytes([6]) * 32), 1)
    invented = {
        "address": "0x" + "aa" * 20, "topics": ["0x" + "bb" * 32], "data": "0x", "blockNumber": "0x7",
        "blockHash": "0x" + place.hash.hex(), "transactionHash": "0x" + "cc" * 32, "logIndex": "0x0",
    }  # fmt: skip
    header = Header(place, bloom=bloom_of([bytes.fromhex("aa" * 20), bytes.fromhex("bb" * 32)]))
    for script, logs_told in zip(p.scripts, ([], [invented]), strict=True):
        script.twist = lambda method, value, told=logs_told: told if method == "eth_getLogs" else value

    [found] = await logs.of_blocks(p.pool, [header])

    assert len(found) == 1, "as far as its header tells: what is final needs a quorum there"
    assert p.states() == ["alive", "alive"]
    assert [(kept.node, kept.refuted) for kept in p.pool.evidence.pending] == [("a", False)]


async def test_when_every_node_is_refused_nobody_is_locked_out(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    for script in p.scripts:
        script.twist = lambda method, value: (
            {**value, "gasUsed": "0xbad"} if method == heads.BY_NUMBER else value
        )
    with pytest.raises(WrongShape):
        await heads.latest(p.pool)
    assert p.states() == ["alive", "alive"]
    assert [kept.other for kept in p.pool.evidence.pending] == [None, None]


async def test_a_node_behind_the_pool_is_passed_over_and_when_all_are_the_pool_waits(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, count=2)
    p.scripts[1].head = 11
    assert (await heads.latest(p.pool)).number == 10
    p.scripts[0].head = 8
    assert (await heads.latest(p.pool)).number == 11
    p.scripts[1].status = 500
    with pytest.raises(NodesBehind):
        await heads.latest(p.pool)


async def test_a_false_head_of_one_node_is_given_up_when_a_quorum_is_far_below_it(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].head = 1_000_000
    assert (await heads.latest(p.pool)).number == 1_000_000
    p.scripts[0].status = p.scripts[1].status = 500
    with pytest.raises(NodesBehind):
        await heads.latest(p.pool)

    p.scripts[1].status = 200
    assert (await heads.latest(p.pool)).number == 10

    p.scripts[1].head = p.scripts[2].head = 8
    with pytest.raises(NodesBehind):
        await heads.latest(p.pool)


async def test_what_a_proven_liar_said_is_final_counts_no_more(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    p.scripts[0].final = 9
    assert await heads.attested(p.pool, "finalized") == 9
    p.scripts[0].twist = lambda method, value: (
        {**value, "gasUsed": "0xbad"} if method == heads.BY_NUMBER else value
    )
    await heads.latest(p.pool)
    assert p.states() == ["lying", "alive"]

    assert await heads.attested(p.pool, "finalized") == 5


async def test_a_height_one_node_lacks_is_asked_of_another(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    p.scripts[1].head = 20
    header = await heads.by_number(p.pool, 15)
    assert header is not None
    assert await heads.by_number(p.pool, 25) is None


async def test_headers_that_a_node_refuses_of_a_batch_are_asked_of_the_next_alone(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, count=2)
    limit: Any = {"error": {"code": -32000, "message": "internal error"}}
    p.scripts[0].twist = lambda method, value: (
        limit if method == heads.BY_NUMBER and int(value["number"], 16) % 2 == 0 else value
    )
    found = await heads.by_numbers(p.pool, range(1, 9))
    assert [header and header.number for header in found] == [*range(1, 9)]
    assert [script.asked[heads.BY_NUMBER] for script in p.scripts] == [8, 4]

    p.scripts[1].status = 500
    found = await heads.by_numbers(p.pool, range(1, 9))
    assert [header.number for header in heads.linked(found[:1])] == [1], "reading goes on from there"
    with pytest.raises(RpcError, match="internal error"):
        await heads.by_numbers(p.pool, [2])


async def test_probes_find_who_lags_and_who_syncs(stack: AsyncExitStack) -> None:
    p = await pooled(stack)
    p.scripts[0].head = 6
    p.scripts[1].syncing = {"currentBlock": "0x1"}
    await p.pool.probe()
    assert p.states() == ["lagging", "syncing", "alive"]
    p.asked()
    await heads.latest(p.pool)
    assert p.asked() == [0, 0, 1]


async def test_a_quorum_on_a_hash_locks_out_who_contradicts_what_is_settled(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].fork = 1
    [header] = await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert header is not None
    assert "0x" + header.hash.hex() == block(5)["hash"]
    assert p.states() == ["lying", "alive", "alive"]
    [kept] = p.pool.evidence.pending
    assert (kept.node, kept.other, kept.why[:14]) == ("a", "b", "nodes disagree")


async def test_on_what_may_still_change_the_minority_is_only_asked_last(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].fork = 1
    await heads.agreed_by_numbers(p.pool, [10], settled=False)
    assert p.states() == ["lagging", "alive", "alive"]


async def test_without_a_quorum_it_waits_and_keeps_what_was_said(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2)
    for at, script in enumerate(p.scripts):
        script.fork = at
    with pytest.raises(NoQuorum):
        await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert len(p.pool.evidence.pending) == 2
    assert p.states() == ["disputed"] * 3
    await p.pool.probe()
    assert p.states() == ["disputed"] * 3, "that it can be reached says nothing of that"


async def test_nodes_that_differ_about_a_final_block_are_asked_last_until_a_third_decides(
    stack: AsyncExitStack,
) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].fork, p.scripts[2].status = 1, 500
    with pytest.raises(NoQuorum):
        await heads.agreed_by_numbers(p.pool, [5], settled=True)
    assert p.states() == ["disputed", "disputed", "unreachable"]

    p.scripts[2].status = 200
    await heads.agreed_by_numbers(p.pool, [5], settled=True)

    assert p.states() == ["lying", "alive", "alive"]


async def test_what_is_final_is_what_a_quorum_has_reached(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].final, p.scripts[1].final, p.scripts[2].final = 9, 7, 3
    assert await heads.attested(p.pool, "finalized") == 7
    p.scripts[1].status = 500
    assert await heads.attested(p.pool, "finalized") == 7, "it is not taken back"
    p.scripts[2].status = 500
    with pytest.raises(NoQuorum):
        await heads.attested(p.pool, "finalized")


async def test_a_node_that_limits_the_rate_is_not_asked_before_it_said(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    p.scripts[0].status, p.scripts[0].headers = 429, {"Retry-After": "7"}
    await heads.latest(p.pool)
    p.scripts[0].status = 200
    p.scripts[1].status = 429
    p.advance(6.9)
    with pytest.raises(RpcError, match="too many requests"):
        await heads.latest(p.pool)
    with pytest.raises(RpcError, match="rate limit at every node"):
        await heads.latest(p.pool)
    p.advance(0.2)
    assert (await heads.latest(p.pool)).number == 10


async def test_a_transaction_is_offered_to_one_node_alone(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    await p.pool.probe()
    p.scripts[0].status = 502
    with pytest.raises(NodeUnreachable):
        await p.pool.call("eth_sendRawTransaction", "0x")
    assert p.scripts[1].asked["eth_sendRawTransaction"] == 0
    await p.pool.call("eth_sendRawTransaction", "0x")
    assert p.scripts[1].asked["eth_sendRawTransaction"] == 1


async def test_a_verdict_of_the_chain_is_not_asked_for_twice(stack: AsyncExitStack) -> None:
    p = await pooled(stack, count=2)
    p.scripts[0].twist = lambda method, value: (
        {"error": {"code": 3, "message": "execution reverted"}} if method == "eth_call" else value
    )
    with pytest.raises(RpcError, match="reverted"):
        await p.pool.call("eth_call", {})
    assert p.scripts[1].asked["eth_call"] == 0


async def test_a_second_opinion_comes_from_another_node(stack: AsyncExitStack) -> None:
    """Other than the one that told this, whoever told something else meanwhile, as a range in flight does."""
    p = await pooled(stack, count=2)
    await p.pool.probe()
    told, since = Tellers(), Tellers()
    await heads.by_number(p.pool.noting(told), 3)
    p.scripts[0].status = 500
    await heads.by_number(p.pool.noting(since), 4)
    p.scripts[0].status = 200
    p.advance(1.0)
    await p.pool.probe()
    p.asked()

    assert ([*told], [*since]) == (["a"], ["b"])
    assert b'"number":"0x3"' in told["a"].answer.replace(b" ", b"")
    await heads.by_number(p.pool.other(than=told), 3)
    assert p.asked() == [0, 1]
    p.scripts[1].status = 500
    assert await heads.by_number(p.pool.other(than=told), 3) is not None


async def test_of_a_quorum_the_one_whose_answer_is_taken_is_noted(stack: AsyncExitStack) -> None:
    p = await pooled(stack, quorum=2)
    p.scripts[0].fork = 1
    told = Tellers()
    await heads.agreed_by_numbers(p.pool.noting(told), [5], settled=False)
    assert [*told] == ["b"]


async def test_an_answer_without_end_is_refused(stack: AsyncExitStack) -> None:
    script = Script()
    url = await stack.enter_async_context(serve(script.handle))
    session = await stack.enter_async_context(aiohttp.ClientSession())
    script.twist = lambda method, value: "x" * 10_000
    with pytest.raises(WrongShape, match="more than 1000 bytes"):
        await Rpc(url, session=session, guard=no_guard, max_bytes=1_000).call("eth_syncing")


class Heights:
    """A client without a network: a head that goes up and down, or silence."""

    family = ETHEREUM

    def __init__(self) -> None:
        self.height: int | None = 0
        self.exchange = None

    def witness(self) -> Heights:
        return self

    async def call_as(self, shape: Any, method: str, *params: object) -> str:
        return hex(CHAIN)


@settings(deadline=None)  # how long three answers take says nothing of them
@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 50)), min_size=1, max_size=40))
async def test_a_value_of_the_pool_never_goes_back_but_where_a_quorum_is_far_below(
    moves: list[tuple[int, int | None]],
) -> None:
    clients = [Heights() for _ in range(3)]
    nodes = [Node(client, name) for client, name in zip(clients, "abc", strict=True)]  # type: ignore[arg-type]
    pool = Pool(nodes, chain_id=CHAIN, quorum=2)

    async def ask(client: Any) -> int:
        if client.height is None:
            raise NodeUnreachable(method="height", why="silent")
        height: int = client.height
        return height

    said: dict[str, list[int]] = {"latest": [], "finalized": []}
    for at, height in moves:
        clients[at].height = height
        for name, read in (("latest", pool.rising), ("finalized", pool.attested)):
            try:
                value = await read(name, ask, lambda height: height)
            except Retryable:
                continue
            if name == "latest" and said[name] and value < said[name][-1]:
                reached = [client.height for client in clients if client.height is not None]
                assert len(reached) >= 2
                assert max(reached) < said[name][-1] - 3
            said[name].append(value)
    assert said["finalized"] == sorted(said["finalized"])


def test_a_nodes_name_holds_no_secret() -> None:
    urls = ["https://user:pw@a.example/v2/KEY", "http://b:8545?token=x", "http://b:8545"]
    assert names(urls) == ["a.example", "b:8545#1", "b:8545#2"]


def test_states_are_listed_best_first() -> None:
    assert next(iter(NodeState)) is NodeState.ALIVE
