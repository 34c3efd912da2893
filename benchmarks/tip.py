"""How long after a block is visible at the node its payment stands in the intent's row, by size of block.

Production's loop polls every quarter of a second; blocks appear at any moment of that, each with a payment.
The node is a process that answers from memory; PostgreSQL has fsync on. The limit beside it: half a poll (a
whole one for the slowest), the block's answers fetched unread, its rows by COPY alone.
"""

import asyncio
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from bascule.entrypoints.schedule import Loop, run_all
from bascule.services.failpoints import Failpoints
from bascule.services.watcher import Watcher
from bascule.storage.database import Database
from benchmarks._canned_node import AMOUNT, Shape, payee
from benchmarks._watching import CLOCK, watcher
from benchmarks.harness import Figure
from benchmarks.watcher import asked, canned, copy_bare, installed, lay_bare

POLL_S = 0.25
BLOCKS = 100
BARE = 20  # blocks, for the limit
SIZES = (20, 1_000)  # transfers in a block
INTENTS = """
INSERT INTO payment_intents (id, account_id, livemode, currency, due, accepted_tokens, expires_at, closes_at,
                             client_secret, created_at)
SELECT 'pi_' || lpad(n::text, 26, '0'), 'acct_shop', false, 'usdc', {due} * 10::numeric ^ 12, '{{tok_usd}}',
       now() + interval '1 day', now() + interval '2 days', 'secret', now()
  FROM generate_series(0, {last}) AS n;
"""
ADDRESS = """
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
VALUES (31337, %s, 'pi_' || lpad(%s::text, 26, '0'), 'acct_shop', decode(repeat('fa', 20), 'hex'), 0, %s)
"""


class Committed(Failpoints):
    """Notes when blocks were committed."""

    def __init__(self) -> None:
        super().__init__({})
        self.at: asyncio.Queue[float] = asyncio.Queue()

    def hit(self, name: str) -> None:
        """After a commit of blocks: now."""
        if name == "watcher.after_commit":
            self.at.put_nowait(time.perf_counter())


async def run(runs: int, scale: float) -> list[Figure]:
    """For each size a chain of its own; percentiles are of the blocks of a run."""
    blocks = max(5, round(BLOCKS * scale))
    figures = []
    for size in SIZES:
        took = [
            await latencies(Shape(blocks, 5, size // 5, empty=0, shown=2, pairs=blocks * size), blocks)
            for _ in range(runs)
        ]
        name = f"block of {size:,} transfers visible, until its payment is in the intent's row"
        medians = tuple(statistics.median(each) for each, _ in took)
        worst = tuple(sorted(each)[min(blocks - 1, round(blocks * 0.99))] for each, _ in took)
        bare, poll = min(bare for _, bare in took), POLL_S * 1_000
        figures += [
            Figure(f"{name}: median", "ms", medians, poll / 2 + 60, poll / 2 + bare),
            Figure(f"{name}: 99th of 100", "ms", worst, poll + 150, poll + bare),
        ]
    return figures


async def latencies(shape: Shape, blocks: int) -> tuple[list[float], float]:
    """Milliseconds from each block's appearance to the commit that holds it; and `bare_need`."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(canned(shape))
            db = await stack.enter_async_context(
                Database(await stack.enter_async_context(installed(Path(folder))))
            )
            session = await stack.enter_async_context(aiohttp.ClientSession())
            await intents(db, shape, blocks)
            committed = Committed()
            worker = watcher(db, session, node, Watcher, failpoints=committed)
            assert await worker.run_once() == 1, "the first block"
            stop = asyncio.Event()
            looping = asyncio.create_task(run_all(db, CLOCK, loops=[Loop(worker, POLL_S)], stop=stop))
            found = [await latency(session, node, committed) for _ in range(blocks)]
            stop.set()
            await looping
            await worker.release()
            await require_paid(db, blocks)
            return found, await bare_need(session, node, db, shape)


async def latency(session: aiohttp.ClientSession, node: str, committed: Committed) -> float:
    """A block appears at some moment between two polls."""
    await asyncio.sleep(POLL_S + random.random() * POLL_S)  # noqa: S311 - a phase
    shown = time.perf_counter()
    async with session.post(node, json=asked(1, "bench_grow")) as response:
        await response.read()
    return (await asyncio.wait_for(committed.at.get(), 30) - shown) * 1_000


async def bare_need(session: aiohttp.ClientSession, node: str, db: Database, shape: Shape) -> float:
    """Milliseconds for a block's answers, unread, and as many bare rows; the median of its newest blocks."""
    await lay_bare(db)
    took = []
    for number in range(2 + shape.blocks, 2, -1)[:BARE]:
        began = time.perf_counter()
        block = {"fromBlock": hex(number), "toBlock": hex(number)}
        for call in (asked(0, "eth_getBlockByNumber", hex(number), False), asked(0, "eth_getLogs", block)):
            async with session.post(node, json=call) as response:
                await response.read()
        await copy_bare(db, shape.transactions * shape.logs)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took)


async def intents(db: Database, shape: Shape, blocks: int) -> None:
    """One for the first payee of each block, of just what it gets."""
    each = shape.transactions * shape.logs
    async with db.transaction() as conn:
        await conn.execute(INTENTS.format(due=AMOUNT, last=blocks - 1).encode())
        async with conn.cursor() as cursor:
            await cursor.executemany(ADDRESS.encode(), [(payee(n * each), str(n), n) for n in range(blocks)])


async def require_paid(db: Database, blocks: int) -> None:
    """Every intent has what its block brought, or the figures are worth nothing."""
    async with db.read() as conn:
        found = await conn.execute("SELECT count(*) FROM payment_intents WHERE received = due")
        [(paid,)] = await found.fetchall()
    if paid != blocks:
        raise RuntimeError(f"{paid} of {blocks} intents were paid")
