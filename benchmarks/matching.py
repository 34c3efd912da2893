"""Payments matched with a million open intents: found, decided, booked and told, with fsync on."""

import contextlib
import hashlib
import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.webhook import EventType
from bascule.services import matcher
from bascule.services.arrivals import Arrivals, by_intent
from bascule.services.intent_view import catalog
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import blocks, deposits, ledger, transfers
from bascule.storage.blocks import Read
from bascule.storage.database import Connection, Database, Timeouts
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.interleave import interleaved
from bascule.storage.migrate import migrate
from bascule.storage.transfers import Transfer
from benchmarks.harness import Figure

CHAIN = 31_337
INTENTS = 1_000_000
TRANSFERS = 150  # in a block
BLOCKS = 60  # in a run
FINAL_AT_ONCE = 20  # blocks that become final together
BEHIND = 20  # blocks in one transaction while catching up; the watcher takes up to 32 near the head
# As a database with so many intents is run: its tables and indexes in memory, and as durable as ever.
SERVER = {"shared_buffers": "1280MB", "max_wal_size": "4GB"}
TOKEN, STRANGER = Address(b"\xc0" * 20), Address(b"\x99" * 20)
CLOCK, ENTROPY = SystemClock(), SystemEntropy()

INSTALLATION = """
INSERT INTO accounts (id, kind, name)
VALUES ('acct_operator', 'operator', 'O'), ('acct_shop', 'merchant', 'S');
INSERT INTO networks (chain_id, name, livemode, finality_kind, deposit_factory, forwarder)
VALUES (31337, 'local', false, 'finalized', decode(repeat('fa', 20), 'hex'), decode(repeat('f0', 20), 'hex'));
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
VALUES (31337, decode(repeat('00', 32), 'hex'), 0, decode(repeat('ff', 32), 'hex'), now(), 'receipts');
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES (31337, 1, decode(repeat('00', 32), 'hex'), now(), 0, decode(repeat('00', 32), 'hex'));
"""
# Intents of 10.00, each with an address that is the hash of its number; foreign keys hold by construction.
OPEN_INTENTS = """
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO payment_intents (id, account_id, livemode, currency, due, accepted_tokens, expires_at, closes_at,
                             client_secret, created_at)
SELECT 'pi_' || lpad(n::text, 26, '0'), 'acct_shop', false, 'usdc', 10000000000000000000, '{{tok_usd}}',
       now() + interval '1 day', now() + interval '2 days', 'secret', now()
  FROM generate_series(0, {last}) AS n;
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
SELECT 31337, substr(sha256(int8send(n)), 1, 20), 'pi_' || lpad(n::text, 26, '0'), 'acct_shop',
       decode(repeat('fa', 20), 'hex'), 0, n
  FROM generate_series(0, {last}) AS n;
"""
# What a run writes; the same rows by COPY alone into bare tables are the limit of the machine.
WRITTEN = (
    *("transfers", "deposits", "applications", "outbox"),
    *("ledger.tx", "ledger.entry", "ledger.booked"),
)


async def run(runs: int, scale: float) -> list[Figure]:
    """Seeds once, then measures `runs` times with intents that nobody has paid yet."""
    intents, count = max(2_000, round(INTENTS * scale)), max(2, round(BLOCKS * scale))
    with tempfile.TemporaryDirectory() as folder:
        async with installed(Path(folder), intents) as (db, pid, seeding):
            blocks_needed = 4 * runs * count + 2
            numbers = random.Random(1).sample(  # noqa: S311 - whom to pay
                range(intents), min(intents, blocks_needed * TRANSFERS)
            )
            payments = [numbers[i : i + TRANSFERS] for i in range(0, len(numbers), TRANSFERS)]
            await warm_up(db, pid, [payments.pop(), payments.pop()])
            turns = (payments[start : start + count] for start in range(0, len(payments), count))
            measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for _ in range(runs):
                for at_once in (1, BEHIND):
                    measured[f"matched {at_once}"].append(await matching_alone(db, pid, next(turns), at_once))
                    measured[f"whole {at_once}"].append(
                        await from_block_to_books(db, pid, next(turns), at_once)
                    )
            copied = [await copy_alone(db, blocks_needed * TRANSFERS) for _ in range(runs)]
            index = await address_index_mb(db)
            violations = await sound(db)
    if violations:
        raise RuntimeError(f"the books do not add up: {violations[:3]}")
    return [
        Figure(f"{intents:,} open intents and addresses made", "s", (seeding,)),
        *figures("transfer matched: deposit, decision, application, totals", measured["matched 1"], 100),
        *figures(f"the same, catching up, {BEHIND} blocks at once", measured[f"matched {BEHIND}"], 100),
        *figures(
            "transfer from block to books: matched, told, final, told, booked", measured["whole 1"], 500
        ),
        *figures(f"the same, catching up, {BEHIND} blocks at once", measured[f"whole {BEHIND}"], 500),
        Figure("the same rows by COPY alone, without index or rule", "µs a transfer", tuple(copied)),
        Figure("address set: the index it is looked up in", "MB", (index,), 300),
    ]


def figures(name: str, measured: Sequence[tuple[float, float]], bound: float) -> list[Figure]:
    """The clock's figure, which a crowd on the machine spoils, and the processors', which it does not."""
    return [
        Figure(name, "µs", tuple(clock for clock, _ in measured), bound),
        Figure(f"{name}; processors", "µs", tuple(processors for _, processors in measured)),
    ]


@asynccontextmanager
async def installed(folder: Path, intents: int) -> AsyncIterator[tuple[Database, int, float]]:
    """A fresh installation with so many open intents, its server's process, and the seconds they took."""
    server = EmbeddedPostgres(folder / "postgres", settings=SERVER)
    with server as url:
        assert server.pid is not None
        await migrate(url.database("postgres"))
        patient = Timeouts(statement=600_000, idle_in_transaction=600_000)
        async with Database(url.database("postgres"), timeouts=patient, pool_size=2) as db:
            async with db.read() as conn:
                await conn.execute(INSTALLATION)
                started = time.perf_counter()
                await conn.execute(OPEN_INTENTS.format(last=intents - 1).encode())
                seeding = time.perf_counter() - started
                await conn.execute("RESET ALL")
                await conn.execute("VACUUM ANALYZE")
                await conn.execute("CHECKPOINT")
            yield db, server.pid, seeding


async def warm_up(db: Database, server_pid: int, payments: Sequence[Sequence[int]]) -> None:
    """Not timed: every statement once, and statistics of tables that are not empty any more."""
    await from_block_to_books(db, server_pid, payments)
    async with db.read() as conn:
        await conn.execute("ANALYZE")


async def matching_alone(
    db: Database, server_pid: int, payments: Sequence[Sequence[int]], at_once: int = 1
) -> tuple[float, float]:
    """µs a transfer to match blocks that are recorded already, some in a transaction; nothing is told.

    Not timed: they are finalized afterwards, so that the next run begins as this one did.
    """
    hashes = []
    for part in parts(payments, at_once):
        async with db.transaction() as conn:
            hashes.append(await record(conn, part))
    watch = Stopwatch(server_pid)
    for block_hashes in hashes:
        async with db.transaction() as conn:
            await match(conn, block_hashes)
    spent = watch.read(payments)
    async with db.transaction() as conn:
        await finalize(conn, arrivals())
    return spent


async def match(conn: Connection, block_hashes: Sequence[Hash]) -> None:
    """What `Arrivals.take` does, short of telling it."""
    happened = by_intent(await arrivals().store(conn, block_hashes), EventType.DEPOSIT_DETECTED)
    known = await catalog(conn)
    await interleaved(
        lambda ids: matcher.decide(conn, ids, known),
        lambda found: matcher.write(conn, found, happened, CLOCK),
        matcher.parts(happened),
    )


async def from_block_to_books(
    db: Database, server_pid: int, payments: Sequence[Sequence[int]], at_once: int = 1
) -> tuple[float, float]:
    """µs a transfer for all the watcher writes: some blocks in a transaction, finality for many at once."""
    watch, done = Stopwatch(server_pid), 0
    for part in parts(payments, at_once):
        async with db.transaction() as conn:
            await arrivals().take(conn, await record(conn, part))
        done += len(part)
        if done % FINAL_AT_ONCE == 0 or done == len(payments):
            async with db.transaction() as conn:
                await finalize(conn, arrivals())
    return watch.read(payments)


def arrivals() -> Arrivals:
    """As the watcher makes it."""
    return Arrivals(CHAIN, CLOCK, ENTROPY, Outbox(CLOCK, ENTROPY), Counter())


async def finalize(conn: Connection, settling: Arrivals) -> None:
    """Everything read so far becomes final and is booked, as the finalizer does it."""
    cursor = await blocks.cursor(conn, CHAIN)
    assert cursor is not None
    ref = await blocks.canonical_at(conn, CHAIN, cursor.last_number)
    assert ref is not None
    await blocks.finalize(conn, cursor, ref)
    final = await deposits.advance_finalize(conn, CHAIN, ref.number, CLOCK.now(), "finalized")
    owned = await settling.settle(conn, final, EventType.DEPOSIT_FINALIZED)
    await ledger.post_deposits(conn, [deposit.id for deposit in owned if deposit.booked])


def parts(payments: Sequence[Sequence[int]], at_once: int) -> list[Sequence[Sequence[int]]]:
    """The blocks of each transaction."""
    return [payments[start : start + at_once] for start in range(0, len(payments), at_once)]


async def record(conn: Connection, payments: Sequence[Sequence[int]]) -> list[Hash]:
    """The next blocks, with a transfer of 10.00 to each of these intents, as the watcher records them."""
    cursor = await blocks.cursor(conn, CHAIN)
    assert cursor is not None
    read: list[Read] = []
    sent: list[Transfer] = []
    parent = cursor.last_hash
    for number, numbers in enumerate(payments, cursor.next_number):
        block = BlockRef(number, Hash(number.to_bytes(32, "big")), parent, int(time.time()))
        read.append(Read(block, "receipts"))
        sent += [paid(block, index, intent) for index, intent in enumerate(numbers)]
        parent = block.hash
    await blocks.move_cursor(conn, cursor, read[-1].ref)
    await blocks.record(conn, CHAIN, read)
    if (await transfers.record(conn, CHAIN, sent)).ours != len(sent):
        raise RuntimeError("a transfer to an open intent was not recognised")
    return [block.ref.hash for block in read]


def paid(block: BlockRef, index: int, intent: int) -> Transfer:
    """A transfer of 10.00 to an intent's address."""
    return Transfer(
        block_hash=block.hash,
        log_index=index,
        block_number=block.number,
        tx_hash=Hash(hashlib.sha256(b"%d/%d" % (block.number, index)).digest()),
        token=TOKEN,
        src=STRANGER,
        dst=Address(hashlib.sha256(intent.to_bytes(8, "big")).digest()[:20]),
        amount=10_000_000,
        occurrence=0,
    )


async def copy_alone(db: Database, count: int) -> float:
    """µs a transfer to write all rows of the runs again by COPY, one transaction for each table."""
    spent = 0.0
    async with db.read() as conn:
        for table in WRITTEN:
            await conn.execute(f"CREATE TABLE bare_rows AS TABLE {table} WITH NO DATA".encode())
            rows = await copied_out(conn, f"COPY (TABLE {table}) TO STDOUT (FORMAT binary)")
            started = time.perf_counter()
            async with (
                conn.cursor() as cursor,
                cursor.copy("COPY bare_rows FROM STDIN (FORMAT binary)") as copy,
            ):
                for chunk in rows:
                    await copy.write(chunk)
            spent += time.perf_counter() - started
            await conn.execute("DROP TABLE bare_rows")
    return spent / count * 1e6


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


class Stopwatch:
    """µs a transfer since it was made: on the clock, and of processors in this process and the server's."""

    def __init__(self, server_pid: int) -> None:
        self._server_pid = server_pid
        self._started = time.perf_counter(), self._processors()

    def read(self, payments: Sequence[Sequence[int]]) -> tuple[float, float]:
        """(clock, processors) for each of so many transfers."""
        count = sum(map(len, payments))
        clock, processors = time.perf_counter() - self._started[0], self._processors() - self._started[1]
        return clock / count * 1e6, processors / count * 1e6

    def _processors(self) -> float:
        """Seconds used so far; the server's sessions are children of its first process (proc(5), stat)."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = path.read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
                if int(fields[1]) == self._server_pid:
                    ticks += int(fields[11]) + int(fields[12])
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
