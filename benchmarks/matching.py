"""Payments matched with a million open intents: found, decided, booked and told, with fsync on."""

import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bascule.entrypoints.garbage import collect_rarely
from bascule.storage import ledger
from bascule.storage.database import Connection, Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from benchmarks._matching_work import KINDS, PATIENT, Payments, Watch, from_block_to_books
from benchmarks.harness import Figure

CHAIN = 31_337
CHAINS = (CHAIN, CHAIN + 1)
INTENTS = 1_000_000
TRANSFERS = 150  # in a block
BLOCKS = 60  # in a run
BEHIND = 20  # blocks in one transaction while catching up; the watcher takes up to 32 near the head
# As a database with so many intents is run: its tables and indexes in memory, and as durable as ever.
SERVER = {"shared_buffers": "1280MB", "max_wal_size": "4GB"}


class Kind(NamedTuple):
    """What is timed, how many blocks are in one transaction, the most that a transfer should take (µs)."""

    kind: str
    at_once: int
    bound: float
    meaning: str


class Server(NamedTuple):
    """Where the database answers, and its first process."""

    url: str
    pid: int


_MATCHED = "transfer matched: deposit, decision, application, totals"
_WHOLE = "transfer from block to books: matched, told, final, told, booked"
NAMES = {
    "matched": Kind("matched", 1, 100, _MATCHED),
    "matched behind": Kind("matched", BEHIND, 100, f"{_MATCHED}; {BEHIND} blocks at once"),
    "whole": Kind("whole", 1, 500, _WHOLE),
    "whole behind": Kind("whole", BEHIND, 500, f"{_WHOLE}; {BEHIND} blocks at once"),
}
INSTALLATION = """
INSERT INTO accounts (id, kind, name)
VALUES ('acct_operator', 'operator', 'O'), ('acct_shop', 'merchant', 'S');
"""
NETWORK = """
INSERT INTO networks (chain_id, name, livemode, finality_kind, deposit_factory, forwarder)
VALUES ({chain}, 'chain {chain}', false, 'finalized', decode(repeat('fa', 20), 'hex'),
        decode(repeat('f0', 20), 'hex'));
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_{chain}', {chain}, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
VALUES ({chain}, decode(repeat('00', 32), 'hex'), 0, decode(repeat('ff', 32), 'hex'), now(), 'receipts');
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES ({chain}, 1, decode(repeat('00', 32), 'hex'), now(), 0, decode(repeat('00', 32), 'hex'));
"""
# Intents of 10.00, each with an address that is the hash of its number, on one chain and the other in turns;
# foreign keys hold by construction.
OPEN_INTENTS = """
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO payment_intents (id, account_id, livemode, currency, due, accepted_tokens, expires_at, closes_at,
                             client_secret, created_at)
SELECT 'pi_' || lpad(n::text, 26, '0'), 'acct_shop', false, 'usdc', 10000000000000000000,
       ARRAY['tok_' || ({first} + n % 2)], now() + interval '1 day', now() + interval '2 days', 's', now()
  FROM generate_series(0, {last}) AS n;
INSERT INTO deadlines (intent_id, due_at) SELECT id, expires_at FROM payment_intents;
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
SELECT {first} + n % 2, substr(sha256(int8send(n)), 1, 20), 'pi_' || lpad(n::text, 26, '0'), 'acct_shop',
       decode(repeat('fa', 20), 'hex'), 0, n
  FROM generate_series(0, {last}) AS n;
"""
# What each kind writes; the same rows by COPY alone into bare tables are the limit of the machine.
_WRITTEN = ("deposits", "applications")
WRITTEN = {
    "matched": _WRITTEN,
    "whole": ("transfers", *_WRITTEN, "outbox", "ledger.tx", "ledger.entry", "ledger.booked"),
}


async def run(runs: int, scale: float) -> list[Figure]:
    """Seeds once, then measures `runs` times with intents that nobody has paid yet."""
    intents, count = max(8_000, round(INTENTS * scale)), max(2, round(BLOCKS * scale))
    collect_rarely()  # as the watcher's process does
    with tempfile.TemporaryDirectory() as folder:
        async with installed(Path(folder), intents) as (db, server, seeding):
            wanted = {chain: unpaid(intents, chain) for chain in CHAINS}
            await warm_up(db, take(wanted[CHAIN], 2))
            alone: dict[str, list[tuple[float, float]]] = defaultdict(list)
            together: dict[str, list[float]] = defaultdict(list)
            for _ in range(runs):
                for name in NAMES:
                    alone[name].append(await by_one(db, server, name, take(wanted[CHAIN], count)))
                for name in NAMES:
                    shares = {chain: take(wanted[chain], count + 1) for chain in CHAINS}
                    together[name].append(await side_by_side(server, name, shares))
            copied = [await copy_alone(db) for _ in range(runs)]
            index = await address_index_mb(db)
            violations = await sound(db)
    if violations:
        raise RuntimeError(f"the books do not add up: {violations[:3]}")
    return [
        Figure(f"{intents:,} open intents and addresses made", "s", (seeding,)),
        *(figure for name in NAMES for figure in figures(name, alone[name], together[name], copied)),
        Figure(
            "the same rows by COPY alone, without index or rule",
            "µs a transfer",
            tuple(sum(each.values()) for each in copied),
        ),
        Figure("address set: the index it is looked up in", "MB", (index,), 300),
    ]


def figures(
    name: str,
    alone: Sequence[tuple[float, float]],
    together: Sequence[float],
    copied: Sequence[Mapping[str, float]],
) -> list[Figure]:
    """The clock's figures, which a crowd on the machine spoils, and the processors', which it does not.

    copied: of each table what its rows take by COPY alone; those that are written are the limit.
    """
    kind, meaning, bound = NAMES[name].kind, NAMES[name].meaning, NAMES[name].bound
    least = statistics.median(sum(each[table] for table in WRITTEN[kind]) for each in copied)
    return [
        Figure(f"{meaning}; one chain's watcher", "µs", tuple(clock for clock, _ in alone), bound, least),
        Figure(f"{meaning}; one chain's watcher: processors", "µs", tuple(spent for _, spent in alone)),
        Figure(f"{meaning}; two chains' watchers side by side", "µs", tuple(together), bound, least),
    ]


def unpaid(intents: int, chain: int) -> list[int]:
    """The numbers of a chain's intents, in an order of chance."""
    numbers = list(range(chain - CHAIN, intents, len(CHAINS)))
    random.Random(chain).shuffle(numbers)  # noqa: S311 - whom to pay
    return numbers


def take(numbers: list[int], count: int) -> list[list[int]]:
    """So many blocks of payments, and nobody is paid twice."""
    if len(numbers) < count * TRANSFERS:
        raise ValueError("there are not as many intents as payments: a smaller --runs or a larger --scale")
    return [[numbers.pop() for _ in range(TRANSFERS)] for _ in range(count)]


class Spent(Watch):
    """How much of processors it took too."""

    spent = 0.0

    def __init__(self, server_pid: int) -> None:
        self._server_pid = server_pid

    async def begin(self) -> None:
        self.spent = -processors(self._server_pid)
        await super().begin()

    def end(self) -> None:
        super().end()
        self.spent += processors(self._server_pid)


async def by_one(db: Database, server: Server, name: str, payments: Payments) -> tuple[float, float]:
    """µs a transfer, on the clock and of processors, here and in the server."""
    kind, watch = NAMES[name], Spent(server.pid)
    await KINDS[kind.kind](db, CHAIN, payments, kind.at_once, watch)
    count = sum(map(len, payments))
    return (watch.ended - watch.began) / count * 1e6, watch.spent / count * 1e6


async def side_by_side(server: Server, name: str, shares: Mapping[int, Payments]) -> float:
    """µs a transfer on the clock, each chain in a process of its own, all begun at one time.

    The first block of each share is paid before, untimed.
    """
    kind = NAMES[name]
    async with AsyncExitStack() as stack:
        sides = [
            await stack.enter_async_context(side(server, chain, kind, payments))
            for chain, payments in shares.items()
        ]
        for process in sides:
            assert process.stdin is not None
            process.stdin.write(b"\n")
        spells = [json.loads(await line_of(process)) for process in sides]
    clock = max(ended for _, ended in spells) - min(began for began, _ in spells)
    return float(clock) / sum(TRANSFERS * (len(share) - 1) for share in shares.values()) * 1e6


@asynccontextmanager
async def side(
    server: Server, chain: int, kind: Kind, payments: Payments
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One chain's process, ready to begin."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "benchmarks._matching_work",
            server.url,
            str(chain),
            kind.kind,
            str(kind.at_once),
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(payments).encode() + b"\n")
        if await line_of(process) != "ready":
            raise RuntimeError(f"the process of chain {chain} did not begin")
        yield process
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """What it says next."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


@asynccontextmanager
async def installed(folder: Path, intents: int) -> AsyncIterator[tuple[Database, Server, float]]:
    """A fresh installation with so many open intents on two chains, its server, and the seconds they took."""
    server = EmbeddedPostgres(folder / "postgres", settings=SERVER)
    with server as place:
        url = place.database("postgres")
        await migrate(url)
        async with Database(url, timeouts=PATIENT, pool_size=2) as db:
            async with db.read() as conn:
                for statements in (INSTALLATION, *(NETWORK.format(chain=chain) for chain in CHAINS)):
                    await conn.execute(statements.encode())
                started = time.perf_counter()
                await conn.execute(OPEN_INTENTS.format(first=CHAIN, last=intents - 1).encode())
                seeding = time.perf_counter() - started
                await conn.execute("RESET ALL")
                await conn.execute("VACUUM ANALYZE")
                await conn.execute("CHECKPOINT")
            assert server.pid is not None
            yield db, Server(url, server.pid), seeding


async def warm_up(db: Database, payments: Payments) -> None:
    """Not timed: every statement once, and statistics of tables that are not empty any more."""
    await from_block_to_books(db, CHAIN, payments, 1, Watch())
    async with db.read() as conn:
        await conn.execute("ANALYZE")


async def copy_alone(db: Database) -> dict[str, float]:
    """µs a transfer to write all rows of a table again by COPY, one transaction for each table."""
    spent = {}
    async with db.read() as conn:
        [(count,)] = await (await conn.execute("SELECT count(*) FROM transfers")).fetchall()
        for table in WRITTEN["whole"]:
            await conn.execute(f"CREATE TABLE bare_rows AS TABLE {table} WITH NO DATA".encode())
            rows = await copied_out(conn, f"COPY (TABLE {table}) TO STDOUT (FORMAT binary)")
            started = time.perf_counter()
            async with (
                conn.cursor() as cursor,
                cursor.copy("COPY bare_rows FROM STDIN (FORMAT binary)") as copy,
            ):
                for chunk in rows:
                    await copy.write(chunk)
            spent[table] = (time.perf_counter() - started) / count * 1e6
            await conn.execute("DROP TABLE bare_rows")
    return spent


async def copied_out(conn: Connection, statement: str) -> list[Any]:
    """The chunks of a COPY."""
    async with conn.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        return [chunk async for chunk in copy]


async def address_index_mb(db: Database) -> float:
    """What the database keeps to answer whether an address is ours."""
    async with db.read() as conn:
        found = await conn.execute("SELECT pg_relation_size('deposit_addresses_pkey')")
        [(size,)] = await found.fetchall()
    return float(size) / 1e6


async def sound(db: Database) -> Sequence[object]:
    """What contradicts itself in the books: nothing, or the figures are worth nothing."""
    async with db.read() as conn:
        return await ledger.verify(conn)


def processors(server_pid: int) -> float:
    """Seconds used so far, here and in the server's sessions, children of its first process (proc(5))."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
            if int(fields[1]) == server_pid:
                ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
