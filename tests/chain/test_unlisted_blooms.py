"""Blooms of a chain that nobody listed: they prove nobody wrong before one was borne out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from bascule.chain import logs
from bascule.chain.heads import Header
from bascule.domain.chain import BlockRef, Hash
from tests.support.scripted_nodes import pooled


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def test_a_bloom_that_no_log_ever_bore_out_makes_no_liar_where_nobody_listed_the_chain(
    stack: AsyncExitStack,
) -> None:
    """Its headers hash to their names and filter nothing: whose logs are not in them is no liar for that."""
    p = await pooled(stack, count=2)
    place = BlockRef(7, Hash(bytes([7]) * 32), Hash(bytes([6]) * 32), 1)
    true = {
        "address": "0x" + "aa" * 20, "topics": ["0x" + "bb" * 32], "data": "0x", "blockNumber": "0x7",
        "blockHash": "0x" + place.hash.hex(), "transactionHash": "0x" + "cc" * 32, "logIndex": "0x0",
    }  # fmt: skip
    for node, told in zip(p.pool.nodes, ([true], []), strict=True):
        node.rpc.family = None
        p.scripts[p.pool.nodes.index(node)].twist = lambda method, value, told=told: (
            told if method == "eth_getLogs" else value
        )

    await logs.of_blocks(p.pool, [Header(place, bloom=bytes(256), sealed=True)])

    assert p.states() == ["alive", "alive"]
