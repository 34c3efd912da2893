"""Receipts that a node has later than the block: what is older becomes final meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.chain.errors import RpcError
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def test_payment_succeeds_though_receipts_of_the_newest_block_are_always_late(b: Bridge) -> None:
    """The node has the header and logs of its newest block, and no receipts, at every look."""
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await watcher.run_once()
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        newest = 0

        def late(method: str, params: list[Any], result: Any) -> Any:
            nonlocal newest
            if method == "eth_getBlockByNumber" and params[0] == "latest":
                newest = int(result["number"], 16)
            its = method == "eth_getBlockReceipts" and result and int(result[0]["blockNumber"], 16) == newest
            return None if its else result

        node.twist = late
        for _ in range(8):
            await paid_to_another(b)
            await watcher.run_once()

    assert watcher.counters["proofs_cut_short"] == 8
    assert (await b.shown(intent))["status"] == "succeeded"
    await b.require_chain_and_rows_agree()


async def test_what_is_proven_becomes_final_while_no_receipts_are_told(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await watcher.run_once()
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        await watcher.run_once()

        node.twist = lambda method, params, result: None if method == "eth_getBlockReceipts" else result
        for _ in range(5):
            await paid_to_another(b)
            with pytest.raises(RpcError, match="unknown block"):
                await watcher.run_once()

    assert (await b.shown(intent))["status"] == "succeeded"
    await b.require_chain_and_rows_agree()


async def paid_to_another(b: Bridge) -> None:
    """A block with a transfer, so that its header does not say that it holds none of ours."""
    await b.send(b.account(8).address, "1.00")
    await b.mine()
