"""The API under load: two server processes, the database and the load on this one machine.

A payment intent with all that belongs to it (key, limits, idempotency, intent, address, event, audit), asked
for by 100 accounts and by one; intents read; beside them one row inserted for each request by the same HTTP
server, and by pgbench on the same database.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bascule.domain.ids import Prefix
from bascule.entrypoints.ports import free_port
from bascule.services import api_keys
from bascule.services.seams import SystemClock, SystemEntropy, new_id
from bascule.storage import accounts
from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.embedded_programs import account_for, find_programs
from bascule.storage.migrate import migrate
from bascule.storage.roles import ensure_logins
from benchmarks import _bare_server
from benchmarks._asking import Asked, ask, request
from benchmarks._treasury import spent, spent_below
from benchmarks.harness import Figure

ACCOUNTS, SERVERS, CONNECTIONS = 100, 2, 16
CREATES, READS, ROWS = 6_000, 12_000, 10_000
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
BODY = b'{"amount":"25.00","currency":"usdc","metadata":{"order":"6735"}}'
INSTALLATION = """
INSERT INTO networks (chain_id, name, livemode, finality_kind, vault, deposit_factory, forwarder, collector)
VALUES (31337, 'local', false, 'finalized', decode(repeat('01', 20), 'hex'), decode(repeat('fa', 20), 'hex'),
        decode(repeat('0f', 20), 'hex'), decode(repeat('01', 20), 'hex'));
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers' ports by process id, and the accounts' keys."""

    ports: dict[int, int]
    bare: dict[int, int]
    keys: list[str]
    database_url: str
    database_pid: int

    async def asked(self, requests: Sequence[bytes], *, bare: bool = False) -> Taken:
        """All of them at once, over as many connections as are open."""
        servers = self.bare if bare else self.ports
        before = self._spent(servers)
        came = await ask(list(servers.values()), CONNECTIONS, requests)
        after = self._spent(servers)
        ours, database = (1e6 * (b - a) / len(requests) for a, b in zip(before, after, strict=True))
        return Taken(came, ours, database)

    def _spent(self, servers: Iterable[int]) -> tuple[float, float]:
        return sum(spent(pid) for pid in servers), spent_below(self.database_pid)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of many requests. ours, database: microseconds of processors for each of them."""

    came: Asked
    ours: float
    database: float


async def run(runs: int, scale: float) -> list[Figure]:
    """Each run asks everything once, in turns, after as much again that is not measured."""
    with tempfile.TemporaryDirectory() as folder:
        async with contextlib.AsyncExitStack() as stack:
            stage = await _stage(stack, Path(folder))
            creates, reads, rows = (max(200, round(n * scale)) for n in (CREATES, READS, ROWS))
            await _create(stage, creates // 4, stage.keys)
            many, one, read, bare = [], [], [], []
            for _ in range(runs):
                bare.append(await _bare(stage, rows))
                many.append(await _create(stage, creates, stage.keys))
                one.append(await _create(stage, creates, stage.keys[:1]))
                read.append(await _read(stage, reads))
            pgbench = [_pgbench(stage.database_url, Path(folder)) for _ in range(runs)]
    return [
        *_told("payment intents created, 100 accounts", many, 1e6 / 600),
        Figure("the same: 99th of 100", "ms", tuple(each.came.p99_ms for each in many), 100.0),
        Figure(
            "the same, as a share of one row inserted per request; at least 0.4", "of it",
            tuple(m.came.rate / b.came.rate for m, b in zip(many, bare, strict=True)),
        ),
        *_told("payment intents created, one account", one, None),
        *_told("payment intents read", read, 1e6 / 2_000),
        *_told("limit: one row inserted per request by the same HTTP server", bare, None),
        Figure("limit: one row inserted per transaction by pgbench", "a second", tuple(pgbench)),
    ]  # fmt: skip


def _told(name: str, taken: Sequence[Taken], bound: float | None) -> list[Figure]:
    """The clock's figure, which a crowd spoils, its inverse, and the processors'."""
    return [
        Figure(name, "a second", tuple(each.came.rate for each in taken)),
        Figure(f"{name}: each", "µs", tuple(1e6 / each.came.rate for each in taken), bound),
        Figure(f"{name}: processors of the servers", "µs", tuple(each.ours for each in taken)),
        Figure(f"{name}: processors of PostgreSQL", "µs", tuple(each.database for each in taken)),
    ]


async def _create(stage: Stage, count: int, keys: Sequence[str]) -> Taken:
    return await stage.asked(
        [
            request("POST", "/v1/payment_intents", keys[n % len(keys)], BODY, str(uuid4()))
            for n in range(count)
        ]
    )


async def _read(stage: Stage, count: int) -> Taken:
    """The newest intent of each account, in turns."""
    found, port = [], next(iter(stage.ports.values()))
    for key in stage.keys:
        listed = await ask([port], 1, [request("GET", "/v1/payment_intents?limit=1", key)])
        found.append((key, json.loads(listed.last)["data"][0]["id"]))
    turns = [found[n % len(found)] for n in range(count)]
    return await stage.asked([request("GET", f"/v1/payment_intents/{id}", key) for key, id in turns])


async def _bare(stage: Stage, count: int) -> Taken:
    return await stage.asked([request("POST", "/bare", "none", BODY)] * count, bare=True)


def _pgbench(url: str, folder: Path) -> float:
    """Transactions a second of one insert each, over as many connections."""
    script = folder / "insert.sql"
    script.write_text("INSERT INTO bare (amount) VALUES ('25.00');\n", encoding="utf-8")
    pgbench = str(find_programs(account_for(folder)) / "pgbench")
    words = f"-n -T 5 -c {CONNECTIONS} -j 1 -M prepared -f".split()
    ran = subprocess.run(  # noqa: S603 - our own program and words
        [pgbench, *words, str(script), url], capture_output=True, text=True, check=True
    )
    found = re.search(r"^tps = ([0-9.]+)", ran.stdout, re.MULTILINE)
    assert found is not None, ran.stdout
    return float(found[1])


async def _stage(stack: contextlib.AsyncExitStack, folder: Path) -> Stage:
    word, pepper = secrets.token_urlsafe(16), secrets.token_hex(32)
    server = EmbeddedPostgres(folder / "postgres")
    url = stack.enter_context(server)
    assert server.pid is not None
    await migrate(url.database("postgres"))
    async with Database(url.database("postgres"), pool_size=2) as owner:
        async with owner.read() as conn:
            logins = await ensure_logins(conn, "postgres", {"api": word})
            await conn.execute(INSTALLATION.encode())
            await conn.execute(_bare_server.TABLE.encode())
        keys = await _accounts(owner, pepper.encode())
    settings = {
        "BASCULE_DATABASE_URL_API": url.database("postgres", user=logins["api"], password=word),
        "BASCULE_API_PEPPER": pepper,
        "BASCULE_DEPOSIT_SEED": secrets.token_hex(32),
        "BASCULE_RATE_LIMIT_TEST": "100000",
    }
    bare = ["benchmarks._bare_server", url.database("postgres")]
    apis = dict(
        stack.enter_context(
            _server(["bascule", "api"], settings | {"BASCULE_API_PORT": str(free_port("127.0.0.1", 0))})
        )
        for _ in range(SERVERS)
    )
    bares = dict(stack.enter_context(_server(bare, {})) for _ in range(SERVERS))
    return Stage(apis, bares, keys, url.database("postgres"), server.pid)


async def _accounts(owner: Database, pepper: bytes) -> list[str]:
    found = []
    for number in range(ACCOUNTS):
        async with owner.transaction() as conn:
            id = new_id(Prefix.ACCOUNT, CLOCK, ENTROPY)
            await accounts.create(conn, id=id, kind="merchant", name=f"M{number}", created_at=CLOCK.now())
            key = await api_keys.issue(
                conn, account_id=id, livemode=False, kind="sk", pepper=pepper, clock=CLOCK, entropy=ENTROPY
            )
            found.append(key.secret)
    return found


@contextlib.contextmanager
def _server(module: Sequence[str], settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A server process until the end: its id, and the port that it says."""
    process = subprocess.Popen(  # noqa: S603 - our own program and words
        [sys.executable, "-m", *module], env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "port" in (facts := json.loads(line)):
                yield process.pid, facts["port"]
                break
        else:
            raise RuntimeError(f"{module} did not start")
    finally:
        process.terminate()
        process.wait(10)
