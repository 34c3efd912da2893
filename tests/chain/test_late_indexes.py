"""A node that leaves something out of an answer: late, or a liar. Real clients of real HTTP servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from bascule.chain import block_receipts, heads, logs
from bascule.chain.bloom import bloom_of
from bascule.chain.heads import Header
from bascule.chain.receipts_root import METHOD, ReceiptJson
from bascule.domain.chain import BlockRef, Hash
from tests.chain.test_receipts_root import receipt, root_of
from tests.support.scripted_nodes import Pooled, pooled


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


def busy(number: int) -> Header:
    """A block with logs, sealed."""
    place = BlockRef(number, Hash(bytes([number]) * 32), Hash(bytes([number - 1]) * 32), 1)
    return Header(place, bloom=bloom_of([b"\xaa" * 20, b"\xbb" * 32]), sealed=True)


def indexed(header: Header) -> list[dict[str, Any]]:
    """The one log of it."""
    return [
        {
            "address": "0x" + "aa" * 20, "topics": ["0x" + "bb" * 32], "data": "0x",
            "blockNumber": hex(header.number), "blockHash": "0x" + header.hash.hex(),
            "transactionHash": "0x" + "cc" * 32, "logIndex": "0x0",
        }
    ]  # fmt: skip


async def late_index(stack: AsyncExitStack) -> Pooled:
    """Of two nodes the first has no logs yet of any block above 5, which is final."""
    p = await pooled(stack, count=2)
    await heads.attested(p.pool, "finalized")
    p.scripts[0].twist = lambda method, value: [] if method == "eth_getLogs" else value
    return p


async def test_a_node_whose_index_is_late_is_asked_last_for_seconds_longer_each_time(
    stack: AsyncExitStack,
) -> None:
    p = await late_index(stack)
    rests = []
    for number in range(11, 17):
        header = busy(number)
        p.scripts[1].twist = lambda method, value, h=header: indexed(h) if method == "eth_getLogs" else value
        assert len(await logs.of_blocks(p.pool, [header])) == 1
        rests.append(p.pool.nodes[0].until - p.now)
        await p.pool.probe()
        assert p.states() == ["lagging", "alive"], "that it is at the head says nothing of its index"
        p.advance(rests[-1])
        await p.pool.probe()
        assert p.states() == ["alive", "alive"]
    assert rests == [4.0, 16.0, 64.0, 256.0, 256.0, 256.0]
    assert {kept.refuted for kept in p.pool.evidence.pending} == {True}


@pytest.mark.parametrize(
    ("number", "waited", "becomes"),
    [(11, 3.9, "lagging"), (11, 4.0, "lying"), (5, 0.0, "lying")],
    ids=["again at once", "again when its rest is over", "about a final block"],
)
async def test_who_leaves_out_of_a_block_what_it_had_time_to_index_lies(
    stack: AsyncExitStack, number: int, waited: float, becomes: str
) -> None:
    p = await late_index(stack)
    header = busy(number)
    p.scripts[1].twist = lambda method, value: indexed(header) if method == "eth_getLogs" else value
    await logs.of_blocks(p.pool, [header])
    if waited:
        p.advance(waited)
        await logs.of_blocks(p.pool.other(than={"b"}), [header])
    assert p.states() == [becomes, "alive"]


async def test_who_invents_a_log_lies_at_once(stack: AsyncExitStack) -> None:
    p = await late_index(stack)
    header = busy(11)
    for script, address in zip(p.scripts, ("dd", "aa"), strict=True):
        told = [{**log, "address": "0x" + address * 20} for log in indexed(header)]
        script.twist = lambda method, value, told=told: told if method == "eth_getLogs" else value
    await logs.of_blocks(p.pool, [header])
    assert p.states() == ["lying", "alive"]


def told_of(receipts: Sequence[ReceiptJson]) -> Any:
    """A node that has these receipts of any block."""
    value = msgspec.to_builtins(receipts)
    return lambda method, other: value if method == METHOD else other


async def test_a_name_too_many_in_a_header_refutes_no_receipts_that_add_up(stack: AsyncExitStack) -> None:
    """Nothing seals the names of transactions; some chains show one that has no receipt in the root."""
    p = await late_index(stack)
    whole = [receipt(0), receipt(1)]
    names = tuple(Hash(at.to_bytes(32, "big")) for at in range(3))
    header = replace(busy(11), receipts_root=root_of(*whole), tx_hashes=names, named=True)
    p.scripts[0].twist = told_of(whole)
    assert await block_receipts.of_blocks(p.pool, [header]) == [whole]
    assert p.states() == ["alive", "alive"]


@pytest.mark.parametrize("named", [True, False], ids=["as several name them", "as one does"])
@pytest.mark.parametrize("missing", [0, 1], ids=["the first", "the last"])
async def test_receipts_that_a_late_index_lacks_are_no_lie(
    stack: AsyncExitStack, named: bool, missing: int
) -> None:
    p = await late_index(stack)
    whole = [receipt(0), receipt(1)]
    names = tuple(Hash(at.to_bytes(32, "big")) for at in range(2))
    header = replace(busy(11), receipts_root=root_of(*whole), tx_hashes=names, named=named)
    p.scripts[0].twist, p.scripts[1].twist = told_of([whole[1 - missing]]), told_of(whole)
    assert await block_receipts.of_blocks(p.pool, [header]) == [whole]
    assert p.states() == ["lagging", "alive"]
