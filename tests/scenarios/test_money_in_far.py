"""Stories of a watcher far behind the head: ranges, their seam with single blocks, and lies about them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.errors import NodeUnreachable, RpcError, WrongShape
from bascule.chain.pool import pool
from bascule.domain.errors import Retryable
from bascule.entrypoints.devchain.faults.words import WORDS
from bascule.services.failpoints import Failpoints
from bascule.services.watcher import Watcher
from tests.support.cases import case, long_after
from tests.support.chain import local_node
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import fault_proxy
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import Refuse, lying_node

FAR: dict[str, Any] = {"far_distance": 4, "blocks_per_range": 6}
LOGS = ["eth_getLogs"]


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


class Counting(Failpoints):
    """How often each failpoint was passed."""

    def __init__(self) -> None:
        super().__init__({})
        self.passed: list[str] = []

    def hit(self, name: str) -> None:
        self.passed.append(name)


async def left_behind(b: Bridge, blocks: int) -> dict[str, Any]:
    """A chain that was read, and then grew by so many blocks, most with a payment of 1.00 to one intent."""
    watcher = b.watcher()
    await b.settle_down(watcher)
    await watcher.release()
    intent = await b.intent("10.00")
    for number in range(blocks):
        if number % 3:
            await b.send(deposit_address(intent), "1.00", payer=1 + number % 2)
        await b.mine()
    return intent


def behind(b: Bridge, node: str | None = None, **options: Any) -> Watcher:
    return b.watcher(node, **FAR | options)


async def height(b: Bridge) -> int:
    return int(await b.node.rpc("eth_blockNumber"), 16)


async def require_at_head(b: Bridge) -> None:
    assert await b.rows("SELECT next_number - 1 FROM cursors") == [(await height(b),)]
    await b.require_chain_and_rows_agree()


async def test_a_gap_is_caught_up_in_chunks_one_commit_each(b: Bridge) -> None:
    await left_behind(b, 25)
    counting = Counting()

    await b.settle_down(behind(b, blocks_per_range=3, far_distance=1, failpoints=counting))

    await require_at_head(b)
    assert counting.passed.count("watcher.after_commit") == 24 / 3 + 1, "eight ranges, and the last block"


async def test_each_block_around_the_seam_is_read_once_whichever_way(b: Bridge) -> None:
    """The seam lies in another place whenever the watcher looks, and in one of them always at a payment."""
    intent = await left_behind(b, 8)
    for seam in (7, 3, 2, 1):
        watcher = behind(b, far_distance=seam, blocks_per_step=1)
        await watcher.run_once()
        await b.pay(intent, "1.00")
        await watcher.release()
    await b.settle_down(behind(b))

    await require_at_head(b)
    amounts = await b.rows("SELECT count(*), count(DISTINCT tx_hash) FROM transfers")
    assert amounts == [(9, 9)]


@pytest.mark.slow
async def test_a_gap_of_any_size_is_read_a_few_ranges_at_a_time(b: Bridge) -> None:
    await left_behind(b, 40)
    async with lying_node(b.node.url) as node:
        most, asked = 0, 0

        async def outstanding(request: str) -> None:
            nonlocal most, asked
            if "fromBlock" in request:
                asked += 1
                [(done,)] = await b.rows("SELECT count(DISTINCT block_number) FROM transfers")
                most = max(most, asked - done // 4)  # each range of six holds four payments

        node.before = outstanding
        await b.settle_down(behind(b, node.url))

    assert most <= 4, "three ahead of the one that is committed"
    assert asked == 6
    await require_at_head(b)


SHORT: list[dict[str, Any]] = [
    {"kind": "empty"},
    {"kind": "truncate"},
    {"kind": "omit", "index": 1},
    {"kind": "bend", "field": "blockHash"},
]


@pytest.mark.parametrize("lies", long_after(1, [SHORT[:1], SHORT]), ids=["one", "all"])
async def test_a_range_answered_short_is_read_from_receipts_before_anything_is_committed(
    b: Bridge, lies: list[dict[str, Any]]
) -> None:
    async with fault_proxy(b.node.url) as proxy:
        for number, lie in enumerate(lies):
            with case(lie):
                await left_behind(b, 14)
                watcher = behind(b, proxy.url)
                with proxy.lying({**lie, "methods": LOGS}):
                    for _ in range(2):
                        await watcher.run_once()
                    assert watcher.counters["answers_refused"] == 2
                    assert watcher.counters["blocks_misread"] == 0, "seen before it was committed"
                    assert len(await b.stored()) == 9 * number + 6
                await b.settle_down(watcher)
                await watcher.release()
                await require_at_head(b)
                assert len(await b.deposits()) == 9 * (number + 1)


async def test_a_node_that_answers_a_range_short_is_known_for_it_and_the_next_one_is_asked(b: Bridge) -> None:
    await left_behind(b, 12)
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(fault_proxy(b.node.url)) for _ in range(2)]
        nodes = pool([(b.rpc(proxy.url), 1) for proxy in proxies], chain_id=b.network.chain_id)
        watcher = b.watcher(nodes, **FAR)
        with proxies[0].lying({"kind": "omit", "methods": LOGS}):
            await b.settle_down(watcher)
        assert [node.state.value for node in nodes.nodes] == ["lagging", "alive"]
        assert nodes.nodes[0].shorts == 1, "ranges asked at once are one moment"
        await watcher.run_once()
    assert {each.refuted for each in await b.disagreements()} == {True}

    assert watcher.counters["answers_refused"] == 0
    assert {each.node for each in await b.disagreements()} == {nodes.nodes[0].name}
    await require_at_head(b)


@pytest.mark.slow
@pytest.mark.parametrize("paid", [False, True], ids=["an empty fork", "a fork that pays too"])
async def test_a_node_that_follows_a_fork_between_a_ranges_headers_and_its_logs_is_no_liar(
    db_as: OpenAs, tmp_path: Path, paid: bool
) -> None:
    """It told the truth both times; the other node, which stayed, proves nothing against it."""
    async with bridge(db_as, data_dir=tmp_path / "chain") as b, AsyncExitStack() as stack:
        intent = await left_behind(b, 0)
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        fork = await stack.enter_async_context(local_node(data_dir=tmp_path / "fork"))
        await fork.dev.chain.mine(1, (await fork.dev.mine()).time + 1_000)
        for _ in range(12):
            await b.pay(intent, "1.00")
            if paid:
                await replace(b, node=fork).send(deposit_address(intent), "2.00")
            await fork.dev.mine()
        first, second = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(2)]

        async def follows(request: str) -> None:
            first.target = fork.url if "fromBlock" in request else first.target

        first.before = follows
        nodes = pool([(b.rpc(node.url), 1) for node in (first, second)], chain_id=b.network.chain_id)
        watcher = b.watcher(nodes, **FAR)
        await watcher.run_once()

        assert first.target == fork.url, "it was asked for the logs of a range"
        assert [node.state.value for node in nodes.nodes] == ["alive", "alive"]
        first.before, first.target = None, b.node.url
        await b.settle_down(watcher)
        await require_at_head(b)


REFUSALS = [
    (client, says)
    for client, words in WORDS.items()
    for says in ("too_many_results", "block_range", "timed_out")
    if says in words
]


@pytest.mark.slow
async def test_what_is_too_much_in_any_providers_words_is_asked_in_smaller_questions(b: Bridge) -> None:
    """Each provider refuses more than two blocks; at the end one refuses even a single block."""
    assert len(REFUSALS) > 10
    intent = await left_behind(b, 1)
    async with lying_node(b.node.url) as node:
        for client, says in REFUSALS:
            most = 2 if (client, says) != REFUSALS[-1] else 0

            def refuse(
                method: str,
                params: list[Any],
                result: Any,
                client: str = client,
                says: str = says,
                most: int = most,
            ) -> Any:
                if method == "eth_getLogs" and _width(params) > most:
                    raise Refuse(WORDS[client][says].message, WORDS[client][says].code)
                return result

            for _ in range(3):
                await b.pay(intent, "0.10")
            node.twist = refuse
            watcher = behind(b, node.url, far_distance=0)
            await b.settle_down(watcher)
            assert watcher.counters["questions_too_large"] > 0, (client, says)
            await watcher.release()
            await require_at_head(b)


async def test_a_block_too_heavy_for_its_node_near_the_head_is_read_from_its_receipts(b: Bridge) -> None:
    await left_behind(b, 5)
    async with fault_proxy(b.node.url) as proxy:
        watcher = behind(b, proxy.url, far_distance=64)
        with proxy.lying({"kind": "error", "client": "infura", "says": "too_many_results", "methods": LOGS}):
            await b.settle_down(watcher)
        assert proxy.asked.count("eth_getBlockReceipts") > 0

    await require_at_head(b)


def _width(params: list[Any]) -> int:
    asked = params[0]
    return 1 if "blockHash" in asked else int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1


UNUSABLE: list[tuple[dict[str, Any], type[Retryable]]] = [
    ({"kind": "page"}, NodeUnreachable),
    ({"kind": "page", "status": 200}, WrongShape),
    ({"kind": "page", "status": 413, "text": "Request Entity Too Large"}, NodeUnreachable),
    ({"kind": "page", "status": 429, "text": "slow down", "retry_after": 1}, RpcError),
    ({"kind": "hang", "seconds": 0.05}, NodeUnreachable),
    ({"kind": "cut"}, WrongShape),
]


@pytest.mark.slow
async def test_a_range_without_a_usable_answer_leaves_the_cursor_and_the_next_one_is_smaller(
    b: Bridge,
) -> None:
    async with fault_proxy(b.node.url) as proxy:
        for fault, refusal in UNUSABLE:
            with case(fault):
                await left_behind(b, 12)
                [(before,)] = await b.rows("SELECT next_number FROM cursors")
                watcher = behind(b, proxy.url)
                with proxy.lying({**fault, "methods": LOGS}), pytest.raises(refusal):
                    await watcher.run_once()
                assert await b.rows("SELECT next_number FROM cursors") == [(before,)]
                await watcher.run_once()
                smaller = await b.rows("SELECT next_number FROM cursors")
                assert smaller == [(before + 3,)], "three instead of six"
                await b.settle_down(watcher)
                await watcher.release()
                await require_at_head(b)


async def test_a_node_that_answers_a_range_above_its_own_head_is_not_believed(b: Bridge) -> None:
    await left_behind(b, 12)
    before = await b.rows("SELECT next_number FROM cursors")
    async with lying_node(b.node.url) as node:
        ranges: list[Any] = []

        def behind_itself(method: str, params: list[Any], result: Any) -> Any:
            """Headers come from the node's leader, logs with what stands beside them from one behind it."""
            if method == "eth_getLogs":
                ranges.append(params[0]["toBlock"])
            return None if "eth_getBlockBy" in method and params[0] in ranges else result

        node.twist = behind_itself
        watcher = behind(b, node.url)
        with pytest.raises(RpcError, match="unknown block"):
            await watcher.run_once()
        assert await b.rows("SELECT next_number FROM cursors") == before
        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)

    await require_at_head(b)


@pytest.mark.slow
async def test_ranges_in_flight_at_a_death_are_read_again(b: Bridge) -> None:
    for side in ("before", "after"):
        with case(side):
            await left_behind(b, 20)
            dying = behind(b, failpoints=Crashing(f"watcher.{side}_commit", 2))
            await dying.run_once()
            with pytest.raises(Crash):
                await dying.run_once()
            await dying.release()

            next_one = behind(b)
            await b.settle_down(next_one)
            await next_one.release()

            await require_at_head(b)


async def test_a_reorg_behind_the_seam_drops_the_ranges_in_flight(b: Bridge) -> None:
    intent = await left_behind(b, 12)
    watcher = behind(b, far_distance=0, blocks_per_range=2)
    for _ in range(4):
        await watcher.run_once()
    await b.node.dev.reorg(3)
    await b.pay(intent, "1.00")

    await b.settle_down(watcher)

    await require_at_head(b)


async def test_a_chain_faster_than_the_poll_is_at_its_head_after_each_poll(b: Bridge) -> None:
    """Four blocks a second, one poll a second, and a pause of seventeen seconds between."""
    watcher = behind(b, far_distance=64)
    intent = await b.intent("10.00")
    await b.settle_down(watcher)
    for blocks in (4, 4, 70, 4):
        await b.mine(blocks - 1)
        await b.pay(intent, "1.00")
        while await watcher.run_once():
            pass
        await require_at_head(b)
