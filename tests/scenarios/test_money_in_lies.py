"""Stories of answers that are not whole the first time, and of chains whose headers say little."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bascule.chain.errors import IncompleteAnswer
from bascule.chain.pool import pool
from bascule.domain.errors import Retryable
from bascule.services import unlisted
from bascule.services.arrivals import Arrivals
from bascule.services.breaks import Breaks
from bascule.services.outflows import Outflows
from bascule.services.replaying import Replay
from bascule.services.seams import SystemEntropy
from bascule.services.suspending import Suspending
from bascule.services.watcher import Watcher
from tests.support.cases import long_after
from tests.support.fault_proxy import fault_proxy
from tests.support.late_roots import LATE, late_roots
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import Refuse, lying_node

BLOCKS, EACH = 4, 3


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def refused(watcher: Watcher, most: int) -> list[str]:
    """Lets the watcher come to rest without a new block; the names of what it refused, at most so many."""
    names: list[str] = []
    while len(names) <= most:
        try:
            if not await watcher.run_once():
                return names
        except Retryable as error:
            names.append(type(error).__name__)
    raise AssertionError(f"the watcher does not come to rest without a new head: {names}")


async def dense(b: Bridge) -> dict[str, Any]:
    """An intent paid in full by three transfers of one payer in each of four blocks."""
    intent = await b.intent("12.00")
    for _ in range(BLOCKS):
        for _ in range(EACH):
            await b.send(deposit_address(intent), "1.00")
        await b.mine()
    return intent


@pytest.mark.parametrize(
    "shorten",
    long_after(
        1,
        [
            pytest.param(lambda logs: logs[: len(logs) * 6 // 10], id="cut to 60%"),
            pytest.param(lambda logs: [], id="empty"),
            pytest.param(lambda logs: logs[1:], id="the first one is missing"),
        ],
    ),
)
@pytest.mark.parametrize("step", [1, 32], ids=["block by block", "in batches"])
async def test_a_first_answer_that_is_not_whole_is_made_good_without_a_new_head(
    b: Bridge, shorten: Callable[[list[Any]], list[Any]], step: int
) -> None:
    """The node's index lags: of each block it tells too little once, and the truth when asked again."""
    starter = await b.started()
    await b.settle_down(starter)
    await starter.release()
    intent = await dense(b)
    asked: set[str] = set()

    def lag(method: str, params: list[Any], result: Any) -> Any:
        if method != "eth_getLogs" or params[0]["blockHash"] in asked:
            return result
        asked.add(params[0]["blockHash"])
        return shorten(result)

    async with lying_node(b.node.url) as node:
        node.twist = lag
        watcher = b.watcher(node.url, blocks_per_step=step)
        await refused(watcher, BLOCKS)
        await b.require_chain_and_rows_agree()
        await b.finalize(watcher)

    assert len(asked) == BLOCKS
    assert len(await b.deposits("finalized")) == EACH * BLOCKS
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 12_000_000, "available:merchant": -12_000_000}


async def test_of_a_batch_that_is_refused_in_part_only_that_part_is_asked_again(b: Bridge) -> None:
    """Of four blocks' logs, and of their receipts, every second is refused at first; none is stored before
    all are known, and none is proven above the first whose receipts are not.
    """
    starter = await b.started()
    await b.settle_down(starter)
    await starter.release()
    await dense(b)
    asked: dict[str, list[str]] = {"eth_getLogs": [], "eth_getBlockReceipts": []}

    def partly(method: str, params: list[Any], result: Any) -> Any:
        if method in asked:
            asked[method].append(params[0]["blockHash"] if isinstance(params[0], dict) else params[0])
            if len(asked[method]) % 2 == 0 and len(asked[method]) <= BLOCKS:
                raise Refuse("internal error")
        return result

    async with lying_node(b.node.url) as node:
        node.twist = partly
        watcher = b.watcher(node.url)
        with pytest.raises(Retryable, match="internal error"):
            await watcher.run_once()
        assert (await b.stored(), watcher.counters["blocks_proven_receipts"]) == ([], 0)
        await watcher.run_once()
        assert len(await b.stored()) == EACH * BLOCKS
        assert watcher.counters["blocks_proven_receipts"] == 1
        assert await refused(watcher, 0) == []
        assert watcher.counters["blocks_proven_receipts"] == BLOCKS
    for blocks in asked.values():
        assert len(blocks) == len(set(blocks)) + BLOCKS // 2
        assert blocks[BLOCKS:] == blocks[1:BLOCKS:2]

    assert len(await b.deposits()) == EACH * BLOCKS


async def test_what_one_node_refuses_of_a_batch_is_asked_of_the_next(b: Bridge) -> None:
    starter = await b.started()
    await b.settle_down(starter)
    await starter.release()
    await dense(b)
    asked: list[list[str]] = [[], []]

    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(lying_node(b.node.url)) for _ in asked]

        def partly(method: str, params: list[Any], result: Any) -> Any:
            if method == "eth_getLogs":
                asked[0].append(params[0]["blockHash"])
                if len(asked[0]) in (1, BLOCKS):
                    raise Refuse("internal error")
            return result

        def told(method: str, params: list[Any], result: Any) -> Any:
            asked[1].extend([params[0]["blockHash"]] if method == "eth_getLogs" else [])
            return result

        nodes[0].twist, nodes[1].twist = partly, told
        both = pool([(b.rpc(node.url), 1) for node in nodes], chain_id=b.network.chain_id)
        assert await refused(b.watcher(both), 0) == []

    assert len(asked[0]) == BLOCKS
    assert asked[1] == [asked[0][0], asked[0][-1]]
    assert len(await b.deposits()) == EACH * BLOCKS


async def test_a_chain_whose_blooms_are_empty_is_read_all_the_same(b: Bridge) -> None:
    """A rollup that nobody listed leaves the filter zero and hashes headers its own way."""
    async with lying_node(b.node.url) as node:
        node.twist = lambda method, params, result: (
            {**result, "logsBloom": "0x" + "00" * 256} if "eth_getBlockBy" in method and result else result
        )
        rpc = b.rpc(node.url)
        rpc.family = None
        watcher = b.watcher(rpc)
        await b.settle_down(watcher)
        intent = await dense(b)
        await b.finalize(watcher)

    assert watcher.counters["answers_refused"] == 0
    assert (await b.shown(intent))["status"] == "succeeded"
    assert {d["evidence"]["verified"] for d in await b.deposits("finalized")} == {"quorum"}


@pytest.mark.parametrize("far", [64, 2], ids=["near", "far"])
async def test_a_chain_whose_headers_speak_of_the_block_before_raises_no_alarm(
    db_as: OpenAs, far: int
) -> None:
    """Its blooms and roots are true, of other blocks; payments are proven by what nodes agree on."""
    async with bridge(db_as) as b, late_roots(b.node.url) as url:
        rpc = b.rpc(url)
        rpc.family = LATE
        watcher = b.watcher(rpc, far_distance=far)
        await b.settle_down(watcher)
        intent = await dense(b)
        await b.finalize(watcher)

        assert (await b.shown(intent))["status"] == "succeeded"
        assert watcher.counters["answers_refused"] == watcher.counters["blocks_misread"] == 0
        assert {d["evidence"]["verified"] for d in await b.deposits("finalized")} == {"quorum"}
        b.node.url = url
        await b.require_chain_and_rows_agree()


@pytest.mark.parametrize(
    ("far", "refusal"),
    [(64, "Hearsay"), pytest.param(0, "IncompleteAnswer", marks=pytest.mark.slow)],
    ids=["near", "far"],
)
async def test_an_unlisted_chain_whose_headers_speak_of_the_block_before_is_taken_on_agreement(
    db_as: OpenAs, far: int, refusal: str
) -> None:
    """It waits a moment, not for ever; nothing is skipped for a bloom that is of another block."""
    async with bridge(db_as) as b, late_roots(b.node.url) as url:
        rpc = b.rpc(url)
        rpc.family = None
        watcher = b.watcher(rpc, far_distance=far)
        intent = await dense(b)
        await b.mine(6)
        assert set(await refused(watcher, 6)) == {refusal}
        await b.finalize(watcher)

        assert (await b.shown(intent))["status"] == "succeeded"
        assert {d["evidence"]["verified"] for d in await b.deposits("finalized")} == {"quorum"}
        assert watcher.counters["headers_prove_nothing"] == 1
        b.node.url = url
        await watcher.release()
        assert await read_on(b, url) == Counter(), "what was learned is known to the next watcher"
        await b.require_chain_and_rows_agree()


async def read_on(b: Bridge, url: str) -> Counter[str]:
    """Three more blocks, by a watcher that starts anew, and a replay of all: what contradicted a header."""
    await b.send(b.account(2).address, "1.00")
    await b.mine(3)
    rpcs = [b.rpc(url) for _ in range(2)]
    for rpc in rpcs:
        rpc.family = None
    watcher = b.watcher(rpcs[0])
    await b.finalize(watcher)
    [(last,)] = await b.rows("SELECT next_number - 1 FROM cursors")
    chain_id, suspending = b.network.chain_id, Suspending(b.clock, b.outbox)
    arrivals = Arrivals(chain_id, b.clock, SystemEntropy(), b.outbox, Counter())
    outflows = Outflows(b.db, rpcs[1], chain_id, Breaks(b.outbox), suspending, Counter())
    replay = Replay(b.db, rpcs[1], chain_id, arrivals, outflows)
    found = Counter({name: watcher.counters[name] for name in ("answers_refused", "headers_prove_nothing")})
    async for _, findings in replay.between(1, last):
        found.update(each.kind for each in findings)
    return +found


async def test_an_unlisted_chain_whose_receipts_are_spelled_otherwise_is_final_by_agreement(
    b: Bridge,
) -> None:
    def otherwise(method: str, params: list[Any], result: Any) -> Any:
        if method != "eth_getBlockReceipts":
            return result
        return [{**each, "cumulativeGasUsed": hex(int(each["cumulativeGasUsed"], 16) + 1)} for each in result]

    async with lying_node(b.node.url) as node:
        node.twist = otherwise
        rpc = b.rpc(node.url)
        rpc.family = None
        watcher = b.watcher(rpc)
        intent = await dense(b)
        await refused(watcher, 6)
        await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert {d["evidence"]["verified"] for d in await b.deposits("finalized")} == {"quorum"}


async def test_one_node_that_bends_headers_of_an_unlisted_chain_teaches_nothing(b: Bridge) -> None:
    """What is learned is for ever, and nothing need seal a header there: a quorum must show the same ones."""
    roots: dict[str, str] = {}

    def late(method: str, params: list[Any], result: Any) -> Any:
        if method != "eth_getBlockByNumber" or not result:
            return result
        roots[result["number"]] = result["receiptsRoot"]
        before = roots.get(hex(int(result["number"], 16) - 1), "0x" + "00" * 32)
        return {**result, "receiptsRoot": before}

    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(3)]
        nodes[0].twist = late
        rpcs = [b.rpc(node.url) for node in nodes]
        for rpc in rpcs:
            rpc.family = None
        await dense(b)
        both = pool([(rpc, at) for at, rpc in enumerate(rpcs, 1)], chain_id=b.network.chain_id, quorum=2)
        head = int(await b.node.rpc("eth_blockNumber"), 16)

        assert not await unlisted.learn(both, head - 1, head)

    assert both.worth.unproven is None
    await b.settle_down(await b.started())


async def test_what_a_node_leaves_out_on_an_unlisted_chain_is_waited_for(b: Bridge) -> None:
    """Its index has holes, its receipts have none: nothing is learned from that, and nothing lost."""
    async with lying_node(b.node.url) as node:
        rpc = b.rpc(node.url)
        rpc.family = None
        watcher = b.watcher(rpc)
        await b.settle_down(watcher)
        node.twist = lambda method, params, result: [] if method == "eth_getLogs" else result
        await dense(b)
        for _ in range(3):
            with pytest.raises(Retryable):
                await watcher.run_once()
        assert watcher.counters["headers_prove_nothing"] == 0
        assert await b.stored() == []
        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)
    assert len(await b.deposits()) == EACH * BLOCKS


async def test_a_block_left_out_whole_on_an_unlisted_chain_is_waited_for_though_it_is_like_an_earlier_one(
    b: Bridge,
) -> None:
    """Equal payments make equal roots: no sign that headers speak of other blocks."""
    async with lying_node(b.node.url) as node:
        rpc = b.rpc(node.url)
        rpc.family = None
        watcher = b.watcher(rpc)
        await b.settle_down(watcher)
        intent = await b.intent("3.00")
        for _ in range(3):  # the first one costs more gas than the next ones
            await b.pay(intent, "1.00")
        newest = await b.node.rpc("eth_blockNumber")
        node.twist = lambda method, params, result: (
            [each for each in result if each["blockNumber"] != newest]
            if method in ("eth_getLogs", "eth_getBlockReceipts")
            else result
        )
        for _ in range(3):
            with pytest.raises(IncompleteAnswer):
                await watcher.run_once()
        assert watcher.counters["headers_prove_nothing"] == 0
        node.twist = lambda method, params, result: result
        await b.finalize(watcher)
    assert len(await b.deposits("finalized")) == 3


@pytest.mark.parametrize(
    "fault",
    long_after(
        1,
        [
            {"kind": "lag", "blocks": 20},
            {"kind": "stale_head"},
            {"kind": "wrong_chain"},
            {"kind": "hang", "seconds": 0.05},
        ],
    ),
    ids=["twenty blocks behind", "stuck", "another chain", "slow"],
)
async def test_a_bad_node_is_passed_over_and_kept_as_the_last_one(b: Bridge, fault: dict[str, Any]) -> None:
    """While one is well nobody sees the other; alone it is asked again, and what it knows is believed."""
    async with AsyncExitStack() as stack:
        bad, good = [await stack.enter_async_context(fault_proxy(b.node.url)) for _ in range(2)]
        both = pool([(b.rpc(proxy.url), 1) for proxy in (bad, good)], chain_id=b.network.chain_id)
        watcher = b.watcher(both)
        await b.settle_down(watcher)
        await b.mine(22)
        await b.settle_down(watcher)
        bad.set(**fault)
        intent = await b.intent("10.00")
        await b.pay(intent, "4.00")
        await both.probe()
        assert await refused(watcher, 0) == []
        assert (await b.shown(intent))["amount_received"] == "4.000000"

        good.set("drop")
        await b.pay(intent, "6.00", payer=2)
        await refused_or_waiting(watcher)
        assert (await b.shown(intent))["amount_received"] == "4.000000"
        bad.clear()
        good.clear()
        await both.probe()
        await b.finalize(watcher)
        await both.probe()
        await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"


async def refused_or_waiting(watcher: Watcher) -> None:
    """Three turns in which nothing moves."""
    for _ in range(3):
        try:
            assert await watcher.run_once() == 0
        except Retryable:
            continue
