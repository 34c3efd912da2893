"""Catching up with a chain of 100,000 Transfers from one node, in dense and in sparse blocks, with fsync on.

The node is a process that answers from memory, with headers, logs and receipts that really link and hash; the
watcher is another one. Their limit: the same answers fetched unread, and the same rows by COPY alone.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import aiohttp

from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from benchmarks._canned_node import Shape
from benchmarks.harness import Figure

DENSE, SPARSE = Shape(200, 5, 100), Shape(5_000, 1, 20)
LOGS_AT_ONCE = 5_000
INSTALLATION = """
INSERT INTO accounts (id, kind, name)
VALUES ('acct_operator', 'operator', 'O'), ('acct_shop', 'merchant', 'S');
INSERT INTO networks (chain_id, name, livemode, finality_kind, deposit_factory, forwarder)
VALUES (31337, 'local', false, 'finalized', decode(repeat('fa', 20), 'hex'), decode(repeat('f0', 20), 'hex'));
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
"""
Taken = dict[str, float]


async def run(runs: int, scale: float) -> list[Figure]:
    """Each chain `runs` times; the ones ten times longer once, for their memory."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, whole in (("dense", DENSE), ("sparse", SPARSE)):
            shape = replace(whole, blocks=max(2, round(whole.blocks * scale)))
            async with canned(shape) as node:
                read = [await caught_up(Path(folder), node, shape, "read") for _ in range(runs)]
                proven = [await caught_up(Path(folder), node, shape, "prove") for _ in range(runs)]
                limits = [await limit(Path(folder), node, shape) for _ in range(runs)]
            figures += told(f"{name} blocks", shape, read, proven, limits)
        for name, whole in (("dense", DENSE), ("sparse", SPARSE)):
            longer = replace(whole, blocks=max(20, round(whole.blocks * 10 * scale)))
            async with canned(longer) as node:
                peak = (await caught_up(Path(folder), node, longer, "prove"))["peak_mb"]
            figures.append(Figure(f"{name} blocks, ten times as many: most memory", "MB", (peak,), 300))
    return figures


def told(
    name: str, shape: Shape, read: list[Taken], proven: list[Taken], limits: list[tuple[float, float]]
) -> list[Figure]:
    """Of 100,000 events each. The first bound is 20,000 events a second."""
    share = 100_000 / shape.events
    alone = tuple((node + copy) * share for node, copy in limits)
    least = statistics.median(alone)
    return [
        Figure(f"{name}: header links and bloom", "s", tuple(t["clock"] * share for t in read), 5.0, least),
        Figure(
            f"{name}: header links and bloom; our processor",
            "s",
            tuple(t["processors"] * share for t in read),
            3.0,
        ),
        Figure(
            f"{name}: and every block's receipts proven, all final",
            "s",
            tuple(t["clock"] * share for t in proven),
            limit=least,
        ),
        Figure(
            f"{name}: and every block's receipts; our processor",
            "s",
            tuple(t["processors"] * share for t in proven),
            12.0,
        ),
        Figure(f"{name}: the limit, answers fetched unread and rows by COPY alone", "s", alone),
        Figure(f"{name}: most memory", "MB", tuple(t["peak_mb"] for t in proven), 300),
    ]


@asynccontextmanager
async def canned(shape: Shape) -> AsyncIterator[str]:
    """A node of a chain of this shape; yields its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks._canned_node",
        json.dumps(asdict(shape)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[str]:
    """A fresh installation; yields the URL of its database."""
    with EmbeddedPostgres(Path(tempfile.mkdtemp(dir=folder)) / "postgres") as server:
        url = server.database("postgres")
        await migrate(url)
        async with Database(url) as db, db.read() as conn:
            await conn.execute(INSTALLATION)
            await conn.execute("CHECKPOINT")
        yield url


async def caught_up(folder: Path, node: str, shape: Shape, how: str) -> Taken:
    """What a watcher took; every Transfer of the chain is stored, or the figure is worth nothing."""
    async with installed(folder) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks._watching", url, node, how, stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError("the watcher failed")
        taken: Taken = json.loads(answer.splitlines()[-1])
        if taken["events"] != shape.events:
            raise RuntimeError(f"{taken['events']} Transfers were read of {shape.events}")
        return taken


def questions(shape: Shape) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """What is asked for each range, as the watcher asks it: its logs, and its headers."""
    step = max(1, LOGS_AT_ONCE // (shape.transactions * shape.logs))
    for first in range(2, 2 + shape.blocks, step):
        heights = range(first, min(first + step, 2 + shape.blocks))
        criteria = {"fromBlock": hex(heights[0]), "toBlock": hex(heights[-1])}
        headers = [asked(n, "eth_getBlockByNumber", hex(n), False) for n in heights]
        yield asked(0, "eth_getLogs", criteria), headers


def asked(number: int, method: str, *params: Any) -> dict[str, Any]:
    """A call."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def limit(folder: Path, node: str, shape: Shape) -> tuple[float, float]:
    """Seconds to fetch all answers unread, and to write all rows by COPY into a bare table."""
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        for logs, headers in questions(shape):
            for body in (headers, logs):
                async with session.post(node, json=body) as response:
                    await response.read()
        fetched = time.perf_counter() - began
    async with installed(folder) as url, Database(url) as db:
        await lay_bare(db)
        began = time.perf_counter()
        for _ in range(max(1, shape.events // LOGS_AT_ONCE)):
            await copy_bare(db, LOGS_AT_ONCE)
        return fetched, time.perf_counter() - began


async def lay_bare(db: Database) -> None:
    """A table for the rows of transfers, without index, key or rule."""
    async with db.transaction() as conn:
        await conn.execute(
            "CREATE TABLE bare (chain_id bigint, number bigint, block_hash bytea, tx_hash bytea,"
            " token bytea, src bytea, dst bytea, log_index integer, amount numeric, occurrence integer)"
        )


async def copy_bare(db: Database, count: int) -> None:
    """So many rows by COPY, in a transaction."""
    row = "\t".join(
        ["31337", "1", *[r"\\x" + "ab" * size for size in (32, 32, 20, 20, 20)], "1", "10000000", "0"]
    )
    async with db.transaction() as conn, conn.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
        await copy.write((row + "\n") * count)
