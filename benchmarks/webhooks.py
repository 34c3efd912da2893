"""Webhooks to quick endpoints while a tenth of all endpoints take the connection and never answer.

A thousand accounts with an endpoint each. What happens is written as the API writes it, in this process; the
worker's loops, which number, sign and send it over HTTP, are a process of their own, as are the servers and
PostgreSQL. First as fast as it goes: a backlog is sent. Then at a steady rate, in which each event's way is
timed from the moment it says (before its commit) until the receiver has it whole.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import aiohttp

from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType, new_secret
from bascule.services.outbox import Happening, Outbox
from bascule.services.seams import SystemClock, SystemEntropy, new_ids
from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from benchmarks._hearing import HEARD
from benchmarks._treasury import spent, spent_below
from benchmarks.harness import Figure

ENDPOINTS, HANGING = 1_000, 10  # one in so many hangs
BACKLOG, STEADY_S, STEADY = 30_000, 20.0, 1_700  # of which nine tenths are to quick endpoints
WRITTEN_AT_ONCE = 85
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
ROOT = Path(__file__).parents[1]
SHOWN: dict[str, Any] = {
    "object": "payment_intent", "amount": "25.000000", "currency": "usdc", "status": "requires_action",
    "metadata": {"order": "1234"}, "description": "x" * 700, "client_secret": None,
}  # fmt: skip
BEGIN = """
INSERT INTO accounts (id, kind, name)
SELECT 'acct_' || n, 'merchant', 'Shop' FROM generate_series(0, %(last)s) n
"""
BEGAN = "SELECT event_id, extract(epoch FROM created_at)::float8 FROM outbox WHERE event_id = ANY(%s)"
LISTEN = """
INSERT INTO webhook_endpoints (id, account_id, livemode, url, secret, created_at)
SELECT 'we_' || n, 'acct_' || n, false,
       %(url)s || CASE n %% %(hanging)s WHEN 0 THEN '/hang/' ELSE '/quick/' END || n, %(secret)s, now()
  FROM generate_series(0, %(last)s) n
"""


Processors = tuple[float, float, float, float]
PARTS = ("the worker", "PostgreSQL", "the servers", "the load and the count")


@dataclass
class Stage:
    """What runs. database_url, url: PostgreSQL's and the servers'; pids: theirs."""

    db: Database
    database_url: str
    url: str
    endpoints: int
    pids: tuple[int, int]
    numbers: Iterator[int]

    async def happen(self, events: int) -> None:
        """So many events, one account after the other, in one commit."""
        happenings = []
        for _ in range(events):
            n = next(self.numbers)
            id = f"pi_{n}"
            happenings.append(
                Happening(
                    f"acct_{n % self.endpoints}", False, EventType.INTENT_CREATED, id, 1, SHOWN | {"id": id}
                )
            )
        async with self.db.transaction() as conn:
            await Outbox(CLOCK, ENTROPY).append_many(conn, happenings)

    async def heard(self) -> dict[str, float]:
        """When the quick endpoints had which event for the first time, since this was asked last."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/heard") as answer:
            rows = HEARD.iter_unpack(await answer.read())
        found: dict[str, float] = {}
        for id, at in rows:
            found.setdefault(id.decode(), at)
        return found

    def quick_since(self, first: int) -> int:
        """How many events since that one were told to quick endpoints."""
        return sum(n % self.endpoints % HANGING != 0 for n in range(first + 1, next(self.numbers)))

    def processors(self, worker: int) -> Processors:
        """Seconds used so far by the worker with this process id and by all others."""
        servers, postgres = self.pids
        return spent(worker), spent_below(postgres), spent(servers), time.process_time()


class Steady(NamedTuple):
    """Quick deliveries a second; ms until they arrived, in the median and 99 of 100; processors."""

    rate: float
    half: float
    late: float
    used: Processors


async def run(runs: int, scale: float) -> list[Figure]:
    """Each run sends a backlog, then keeps the rate; a smaller backlog goes first, unmeasured."""
    backlog, seconds = max(500, round(BACKLOG * scale)), max(2.0, STEADY_S * scale)
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder), max(20, round(ENDPOINTS * scale))) as made:
            await drained(made, backlog // 10)
            taken = [await drained(made, backlog) for _ in range(runs)]
            waits = [await steady(made, seconds) for _ in range(runs)]
    micros = tuple(clock for clock, _ in taken)
    return [
        Figure("a backlog, delivered to quick endpoints", "a second", tuple(1e6 / each for each in micros)),
        Figure("the same: a delivery", "µs", micros, 1e6 / 1_500),
        *by_part("the same", [used for _, used in taken]),
        Figure("steady: delivered to quick endpoints", "a second", tuple(each.rate for each in waits)),
        *by_part("the same", [each.used for each in waits]),
        Figure("steady: until the first attempt arrived, median", "ms", tuple(each.half for each in waits)),
        Figure("steady: 99 of 100", "ms", tuple(each.late for each in waits), 2_000.0),
    ]


def by_part(what: str, used: list[Processors]) -> list[Figure]:
    """Of processors, a delivery."""
    return [
        Figure(f"{what}: processor of {part}", "µs", tuple(each[n] for each in used))
        for n, part in enumerate(PARTS)
    ]


async def drained(made: Stage, events: int) -> tuple[float, Processors]:
    """µs a delivery to quick endpoints, of a backlog, on the clock and of processors."""
    first = next(made.numbers)
    for _ in range(0, events, WRITTEN_AT_ONCE):
        await made.happen(WRITTEN_AT_ONCE)
    quick = made.quick_since(first)
    async with working(made) as worker:
        before, began = made.processors(worker), time.time()
        found = await all_heard(made, quick)
        used = per(quick, before, made.processors(worker))
    return (max(found.values()) - began) * 1e6 / quick, used


async def steady(made: Stage, seconds: float) -> Steady:
    """At a steady rate, timed."""
    events, first = round(STEADY * seconds), next(made.numbers)
    async with working(made) as worker:
        before, began = made.processors(worker), time.time()
        for written in range(0, events, WRITTEN_AT_ONCE):
            await made.happen(WRITTEN_AT_ONCE)
            await asyncio.sleep(max(0.0, began + (written + WRITTEN_AT_ONCE) / STEADY - time.time()))
        quick = made.quick_since(first)
        found = await all_heard(made, quick)
        used = per(quick, before, made.processors(worker))
    async with made.db.read() as conn:
        rows = await (await conn.execute(BEGAN, [list(found)])).fetchall()
    waits = sorted((found[id] - at) * 1_000 for id, at in rows)
    rate = quick / (max(found.values()) - began)
    return Steady(rate, statistics.median(waits), waits[int(len(waits) * 0.99)], used)


def per(deliveries: int, before: Processors, after: Processors) -> Processors:
    """µs of processors a delivery."""
    worker, postgres, servers, load = ((b - a) * 1e6 / deliveries for a, b in zip(before, after, strict=True))
    return worker, postgres, servers, load


async def all_heard(made: Stage, quick: int) -> dict[str, float]:
    """Every one of the quick endpoints' events, once all have arrived."""
    found: dict[str, float] = {}
    async with asyncio.timeout(300):
        while len(found) < quick:
            await asyncio.sleep(0.2)
            for id, at in (await made.heard()).items():
                found.setdefault(id, at)
    assert len(found) == quick, f"{len(found)} of {quick} events were heard"
    return found


@asynccontextmanager
async def working(made: Stage) -> AsyncIterator[int]:
    """The worker's two loops, as `bascule worker` runs them; their process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._telling", made.database_url, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n", "the worker began"
        process.stdin.write(b"go\n")
        yield process.pid
        process.stdin.close()
        async with asyncio.timeout(30):
            assert await process.wait() == 0, "the worker ended well"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    async with made.db.transaction() as conn:  # what hangs is not asked again: each measure begins alike
        await conn.execute("UPDATE deliveries SET state = 'exhausted' WHERE state = 'scheduled'")


@asynccontextmanager
async def stage(folder: Path, endpoints: int) -> AsyncIterator[Stage]:
    """PostgreSQL, the servers, accounts and their endpoints."""
    server = EmbeddedPostgres(folder / "postgres")
    with server as url, servers() as (pid, port):
        assert server.pid is not None
        await migrate(url.database("postgres"))
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(Database(url.database("postgres"), pool_size=6))
            here, last = f"http://127.0.0.1:{port}", endpoints - 1
            async with db.transaction() as conn:
                await conn.execute(BEGIN.encode(), {"last": last})
                values = {"url": here, "hanging": HANGING, "last": last, "secret": new_secret(b"\x05" * 32)}
                await conn.execute(LISTEN.encode(), values)
            assert len(new_ids(Prefix.EVENT, CLOCK, ENTROPY, 1)[0]) == HEARD.size - 8, "ids fit their place"
            yield Stage(db, url.database("postgres"), here, endpoints, (pid, server.pid), count())


@contextmanager
def servers() -> Iterator[tuple[int, int]]:
    """The merchants' servers; their process and port."""
    command = [sys.executable, "-m", "benchmarks._hearing"]
    with subprocess.Popen(command, stdout=PIPE, text=True, cwd=ROOT) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()
