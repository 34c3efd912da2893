"""A reorg of any depth is the same event for web3.py, viem, ethers and our watcher.

Each case pays an intent, buries the payment, and replaces exactly its block and all above it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bascule.domain.finality import FinalizedBlockGone
from bascule.services.watcher import Watcher
from bascule.storage.blocks import ChainHalted
from tests.support.anvil_node import anvil_node
from tests.support.chain import local_node
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.views import Client, Question, View, by_javascript, by_web3

FINALIZED = 20  # blocks behind the head, so that the deepest reorg forks at the final block itself
DEEPEST = FINALIZED
OURS = pytest.param(local_node, id="local chain")
ANVIL = pytest.param(anvil_node, id="anvil", marks=pytest.mark.slow)
TRANSFERS = (
    "SELECT block_hash, block_number, tx_hash, log_index, token, dst, amount, canonical FROM transfers"
    " ORDER BY block_number, log_index"
)


class Case:
    """One reorg on a running bridge, seen before and after."""

    def __init__(self, b: Bridge, watcher: Watcher, clients: Sequence[Client]) -> None:
        self.b, self.watcher, self.clients = b, watcher, clients

    async def play(self, depth: int, *, returns: bool) -> None:
        """Pays, buries, replaces; all views agree before and after, and the intent follows the chain."""
        intent = await self.b.intent("10.00")
        payment = await self.b.pay(intent, "10.00")
        await self.b.mine(depth - 1)
        await self.b.settle_down(self.watcher)
        height = int((await self.b.node.rpc("eth_getTransactionReceipt", payment))["blockNumber"], 16)
        question = Question(self.b.node.url, height - 1, [payment], [])
        before = await self.same_view(question)
        assert before["transactions"] == {payment: before["blocks"][1]}
        assert len(before["blocks"]) == depth + 1
        [deposit] = [d for d in await self.b.deposits() if d["tx_hash"] == payment]

        await self.b.node.dev.reorg(depth, [] if returns else [payment])
        await self.b.settle_down(self.watcher)

        gone = before["blocks"][1:]
        after = await self.same_view(replace(question, gone=gone))
        assert after["blocks"][0] == before["blocks"][0], "the fork is right below the payment"
        assert not set(after["blocks"]) & set(gone)
        assert after["gone"] == dict.fromkeys(gone), "no client finds a block that left"
        assert [after["logs_of"][block_hash] for block_hash in gone] == [None] * depth
        [again] = [d for d in await self.b.deposits() if d["id"] == deposit["id"]]
        shown = await self.b.shown(intent)
        assert shown["flags"] == ["reorged"]
        if returns:
            assert after["receipts"][payment][0] == after["blocks"][-1] == again["block_hash"]
            assert (again["status"], shown["status"]) == ("detected", "processing")
        else:
            assert (after["transactions"], after["receipts"]) == ({payment: None}, {payment: None})
            assert (again["status"], shown["status"]) == ("orphaned", "requires_action")

    async def same_view(self, question: Question) -> View:
        """What all clients see, which is what our rows say."""
        views = [await asyncio.to_thread(client, question) for client in self.clients]
        for view in views[1:]:
            assert view == views[0]
        await self.require_rows_agree(question, views[0])
        return views[0]

    async def require_rows_agree(self, question: Question, view: View) -> None:
        """Our tables against a view: canonical and orphaned blocks, and transfers with them."""
        rows = await self.b.rows("SELECT hash, number, canonical FROM blocks")
        canonical = {number: "0x" + bytes(key).hex() for key, number, stands in rows if stands}
        orphaned = {"0x" + bytes(key).hex() for key, _, stands in rows if not stands}
        assert [canonical[n] for n in range(question.first, view["head"] + 1)] == view["blocks"]
        assert max(canonical) == view["head"]
        assert set(question.gone) <= orphaned
        moved = [row for row in await self.b.rows(TRANSFERS) if row[1] >= question.first]
        assert [_row(row) for row in moved if row[-1]] == [_moved(log) for log in view["logs"]]
        left = [row for row in moved if _row(row)[0] in question.gone]
        assert not any(row[-1] for row in left)
        assert bool(left) == bool(question.gone), "what was seen in a block that left is kept, as orphaned"


def _row(row: tuple[Any, ...]) -> list[Any]:
    block_hash, number, tx_hash, index, token, dst, amount, _ = row
    hashes = ["0x" + bytes(each).hex() for each in (block_hash, tx_hash, token, dst)]
    return [hashes[0], number, hashes[1], index, hashes[2], hashes[3], int(amount)]


def _moved(log: list[Any]) -> list[Any]:
    """A Transfer as a client's log tells it."""
    block_hash, number, tx_hash, index, address, topics, data = log
    return [block_hash, number, tx_hash, index, address, "0x" + topics[2][26:], int(data, 16)]


@asynccontextmanager
async def ready(db_as: OpenAs, on: Any) -> AsyncIterator[Bridge]:
    """A bridge whose chain is high enough that nothing at its start is young."""
    async with bridge(db_as, on=on, finalized=FINALIZED) as made:
        await made.mine(FINALIZED + 1)
        yield made


@pytest.mark.parametrize("returns", [True, False], ids=["returning", "dropped"])
@pytest.mark.parametrize(
    "depths",
    [range(1, 6), *(pytest.param(range(n, n + 5), marks=pytest.mark.slow) for n in (6, 11, 16))],
    ids=lambda d: f"{d[0]}-{d[-1]}",
)
async def test_watcher_and_web3_agree_on_a_reorg_of_every_depth(
    db_as: OpenAs, depths: range, returns: bool
) -> None:
    async with ready(db_as, local_node) as b:
        case = Case(b, await b.started(), [by_web3])
        for depth in depths:
            await case.play(depth, returns=returns)
        assert case.watcher.counters["reorgs"] == len(depths)
        await b.require_chain_and_rows_agree()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on", "depths"),
    [
        pytest.param(local_node, range(1, DEEPEST + 1), id="local chain"),
        pytest.param(anvil_node, (1, 2, 3, 7, DEEPEST), id="anvil"),
    ],
)
async def test_all_clients_and_the_watcher_agree_on_a_reorg_of_every_depth(
    db_as: OpenAs, on: Any, depths: Sequence[int]
) -> None:
    with by_javascript("viem") as viem, by_javascript("ethers") as ethers:
        async with ready(db_as, on) as b:
            case = Case(b, await b.started(), [by_web3, viem, ethers])
            for depth in depths:
                await case.play(depth, returns=True)
                await case.play(depth, returns=False)
            assert case.watcher.counters["reorgs"] == 2 * len(depths)
            await b.require_chain_and_rows_agree()


@pytest.mark.parametrize("on", [OURS, ANVIL])
@pytest.mark.parametrize("below", [1, 5])
async def test_reorg_below_the_final_block_is_seen_by_clients_and_halts_the_watcher(
    db_as: OpenAs, on: Any, below: int
) -> None:
    """What is booked stays booked, and nothing more is read until a person has looked."""
    async with ready(db_as, on) as b:
        watcher = await b.started()
        intent = await b.intent("10.00")
        payment = await b.pay(intent, "10.00")
        await b.mine(FINALIZED + below - 1)
        await b.settle_down(watcher)
        height = int((await b.node.rpc("eth_getTransactionReceipt", payment))["blockNumber"], 16)
        question = Question(b.node.url, height, [payment], [])
        before = await Case(b, watcher, [by_web3]).same_view(question)
        kept = (await b.booked(), await b.deposits(), await b.stored(), await b.shown(intent))
        assert (kept[0]["available:merchant"], kept[3]["status"]) == (-10_000_000, "succeeded")

        await b.node.dev.reorg(FINALIZED + below, [payment])

        after = await asyncio.to_thread(by_web3, replace(question, gone=before["blocks"]))
        assert not set(after["blocks"]) & set(before["blocks"])
        assert after["receipts"] == {payment: None}
        with pytest.raises(FinalizedBlockGone):
            await b.settle_down(watcher)
        await b.mine(2)
        with pytest.raises(ChainHalted, match="was final"):
            await watcher.run_once()
        assert (await b.booked(), await b.deposits(), await b.stored(), await b.shown(intent)) == kept
