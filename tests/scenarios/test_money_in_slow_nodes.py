"""Stories of nodes that are slow or silent: the quick are asked first, reading goes on without the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bascule.chain import heads
from bascule.chain.errors import NoQuorum
from bascule.chain.evidence import Tellers
from bascule.domain.errors import Retryable
from tests.scenarios.test_money_in_nodes import paid, require_succeeded, three
from tests.support.money_in import Bridge, OpenAs, bridge


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.mark.slow
async def test_a_slow_node_is_not_chosen_while_a_quick_one_of_its_tier_answers(b: Bridge) -> None:
    """It answers all that is asked, and truly: found by the probes, which also find it quick again."""
    async with AsyncExitStack() as stack:
        t = await three(stack, b, quorum=1)
        await b.settle_down(t.watcher)
        t.proxies[0].set("delay", seconds=2.0)
        for _ in range(5):
            await t.pool.probe()
        assert [node.pace > 0 for node in t.pool.nodes] == [True, False, False]
        told, before = Tellers(), len(t.proxies[0].asked)
        assert await heads.by_number(t.pool.noting(told), 1) is not None
        assert (len(t.proxies[0].asked), [*told]) == (before, [t.pool.nodes[1].name])
        t.proxies[0].clear()
        for _ in range(5):
            await t.pool.probe()
        assert t.pool.nodes[0].pace == 0
        intent = await paid(b)
        await b.finalize(t.watcher)
        await require_succeeded(b, intent)


async def test_what_holds_up_finality_holds_up_no_block(b: Bridge) -> None:
    """The error says what was read all the same, so that its worker looks again as if nothing had failed."""
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        await b.settle_down(t.watcher)
        t.proxies[1].set("error", message="internal error", methods=["eth_getBlockByNumber"])
        t.proxies[2].set("error", message="internal error", methods=["eth_getBlockByNumber"])
        intent = await paid(b)
        with pytest.raises(NoQuorum) as waiting:
            await t.watcher.run_once()
        assert waiting.value.done is not None
        assert waiting.value.done > 0
        assert (await b.shown(intent))["status"] == "processing"
        with pytest.raises(NoQuorum) as waiting:
            await t.watcher.run_once()
        assert waiting.value.done == 0
        t.proxies[0].set("drop")
        with pytest.raises(Retryable) as silent:
            await t.watcher.run_once()
        assert silent.value.done is None, "nothing could be read"
        for proxy in t.proxies:
            proxy.clear()
        await t.pool.probe()
        await b.finalize(t.watcher)
        await require_succeeded(b, intent)


async def test_all_that_holds_up_proof_and_finality_is_said_at_once(b: Bridge) -> None:
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        await b.settle_down(t.watcher)
        receipts = ["eth_getBlockReceipts", "eth_getTransactionReceipt"]
        t.proxies[0].set("error", message="no receipts now", methods=receipts)
        for proxy in t.proxies[1:]:
            proxy.set("error", message="no blocks now", methods=["eth_getBlockByNumber", *receipts])
        await paid(b)
        with pytest.raises(
            Retryable, match=r"eth_getBlockReceipts: .*; 1 nodes say what is finalized"
        ) as waiting:
            await t.watcher.run_once()
        assert waiting.value.done is not None
        assert waiting.value.done > 0
