"""A story of very many watched addresses: a block costs the watcher what it holds, not what is watched."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from bascule.services.watcher import Watcher
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address

MANY, AT_ONCE = 1_000_000, 50_000
MEBIBYTE = 1 << 20


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def watched(b: Bridge, count: int) -> None:
    """So many addresses more, of people who never pay."""
    for first in range(1, count + 1, AT_ONCE):
        async with b.owner.transaction() as conn:
            await conn.execute(
                "INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)"
                " SELECT %s, decode(lpad(to_hex(n), 40, '0'), 'hex'), %s, %s, 9, n"
                " FROM generate_series(%s, %s::bigint) n",
                [b.network.chain_id, b.merchant, b.network.deposit_factory, first, first + AT_ONCE - 1],
            )
    async with b.owner.transaction() as conn:
        await conn.execute("ANALYZE deposit_addresses")


async def a_block(b: Bridge, watcher: Watcher) -> int:
    """The most bytes that Python held at once while a block of payments was read and made final."""
    intent = await b.intent("20.00")
    for _ in range(20):
        await b.send(deposit_address(intent), "1.00")
    await b.mine()
    gc.collect()
    tracemalloc.start()
    try:
        await b.finalize(watcher)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (await b.shown(intent))["status"] == "succeeded"
    return most


async def rows_scanned(b: Bridge) -> int:
    """Rows of watched addresses that were read one after the other, without an index, by anybody so far."""
    async with b.db.read() as conn:
        await conn.execute("SELECT pg_stat_force_next_flush()")
    [(count,)] = await b.rows(
        "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'deposit_addresses'"
    )
    return int(count)


@pytest.mark.slow
async def test_memory_and_rows_read_do_not_grow_with_the_addresses_that_are_watched(b: Bridge) -> None:
    watcher = await b.started()
    await a_block(b, watcher)
    few = await a_block(b, watcher)
    await watched(b, MANY)
    await a_block(b, watcher)  # looks once at all that are new
    before = await rows_scanned(b)

    many = await a_block(b, watcher)

    assert many < few + MEBIBYTE, f"{many} bytes with {MANY} addresses more, {few} before"
    assert await rows_scanned(b) - before < MANY, "they are looked up by index"
    async with b.db.read() as conn:
        await conn.execute("SELECT sum(n) FROM deposit_addresses")
    assert await rows_scanned(b) - before >= MANY, "else nothing was measured"
