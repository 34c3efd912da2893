"""A long chain read through a node that empties and shortens what it tells: no row is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from bascule.domain.errors import Retryable
from bascule.services.watcher import Watcher
from tests.support.money_in import OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node

pytestmark = pytest.mark.slow
BLOCKS = 200
Shorten = Callable[[random.Random, list[Any]], list[Any]]

KINDS: dict[str, Shorten] = {
    "emptied": lambda chance, logs: [],
    "the last one left out": lambda chance, logs: logs[:-1],
    "cut to 60%": lambda chance, logs: logs[: len(logs) * 6 // 10],
    "one left out": lambda chance, logs: [log for log in logs if log is not chance.choice(logs)],
}


@pytest.mark.parametrize("far", [0, 1_000], ids=["by range", "block by block"])
async def test_a_chain_read_through_shortened_answers_loses_no_row(db_as: OpenAs, far: int) -> None:
    """Every second answer with logs is bent in one of the ways; payers and payees repeat within a block."""
    chance = random.Random(7)
    async with bridge(db_as, finalized=6) as b:
        starter = await b.started()
        await b.settle_down(starter)
        await starter.release()
        intents = [await b.intent("10.00") for _ in range(4)]
        for number in range(BLOCKS):
            for _ in range(chance.randint(0, 3)):
                await b.send(deposit_address(intents[number % 4]), "0.01", payer=1 + number % 2)
            await b.mine()
        bent: list[str] = []

        def shorten(method: str, params: list[Any], result: Any) -> Any:
            if method != "eth_getLogs" or not result or chance.random() < 0.5:
                return result
            bent.append(list(KINDS)[len(bent) % len(KINDS)])
            return KINDS[bent[-1]](chance, result)

        async with lying_node(b.node.url) as node:
            node.twist = shorten
            watcher = b.watcher(node.url, blocks_per_step=4, far_distance=far, blocks_per_range=4)
            await read_to_the_end(watcher)
            await b.require_chain_and_rows_agree()
            await b.mine(6)
            await read_to_the_end(watcher)

        assert set(bent) == set(KINDS)
        await b.require_chain_and_rows_agree()
        assert len(await b.deposits("finalized")) == len(await b.stored()) > BLOCKS


async def read_to_the_end(watcher: Watcher) -> None:
    for _ in range(2_000):
        try:
            if not await watcher.run_once():
                return
        except Retryable:
            continue
    raise AssertionError("the watcher does not come to rest")
