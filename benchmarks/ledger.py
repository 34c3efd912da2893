"""One hot account: posted with every rule and fsync on, then the books verified and read as of a moment."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bascule.domain.report import Format
from bascule.storage import ledger, periods, verification
from bascule.storage.database import Connection, Database, Timeouts
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from benchmarks.harness import Figure, seconds

BOOKED = 1_000_000  # transactions of two entries each, when the books are verified
BATCH = 1_000  # in one commit
BATCHES = 50  # in a run
ALONE = 2_000  # one per commit, in a run
CONNECTIONS = 8
DAYS = 40  # over which the deposits are spread; the first half is closed
SERVER = {"shared_buffers": "1280MB", "max_wal_size": "4GB"}

INSTALLATION = """
INSERT INTO accounts (id, kind, name) VALUES ('acct_operator', 'operator', 'O');
INSERT INTO networks (chain_id, name, livemode, finality_kind) VALUES (31337, 'local', false, 'finalized');
INSERT INTO tokens (id, chain_id, contract, currency, decimals, accepted)
VALUES ('tok_usd', 31337, decode(repeat('c0', 20), 'hex'), 'usdc', 6, true);
INSERT INTO own_addresses (chain_id, address, kind) VALUES (31337, decode(repeat('01', 20), 'hex'), 'vault');
INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)
VALUES ('opn_1', 31337, decode(repeat('01', 20), 'hex'), decode(repeat('c0', 20), 'hex'), -1, sha256(''), 0);
INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
SELECT 31337, sha256(int8send(n)), n, sha256(int8send(n - 1)), {start} + n * {step}, 'receipts'
  FROM generate_series(0, {blocks}) AS n;
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES (31337, {blocks} + 1, sha256(int8send({blocks})), now(), {blocks}, sha256(int8send({blocks})));
"""
# Final capital at the vault, a block for each thousand; nothing of it is booked yet.
ARRIVALS = """
INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount,
                       occurrence)
SELECT 31337, sha256(int8send(n / 1000)), n % 1000, n / 1000, sha256(int8send(n)),
       decode(repeat('c0', 20), 'hex'), decode(repeat('99', 20), 'hex'), decode(repeat('01', 20), 'hex'),
       n + 1, 0
  FROM generate_series({first}, {last}) AS n;
INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst, occurrence,
                      token_id, amount, block_hash, block_number, block_time, log_index, state, created_at,
                      finalized_at)
SELECT 'dep_' || n, 'acct_operator', false, 'capital', 31337, t.tx_hash, t.token, t.src, t.dst, 0, 'tok_usd',
       t.amount, t.block_hash, t.block_number, b.block_time, t.log_index, 'finalized', now(), now()
  FROM generate_series({first}, {last}) AS n
  JOIN transfers AS t ON t.block_hash = sha256(int8send(n / 1000)) AND t.log_index = n % 1000
  JOIN blocks AS b ON b.hash = t.block_hash;
"""
CHECKED, UNCHECKED = "SET session_replication_role = origin", "SET session_replication_role = replica"


async def run(runs: int, scale: float) -> list[Figure]:
    """Books runs with all checks, verifies what they left, then does the same statements without checks."""
    batches, one = max(1, round(BATCHES * scale)), max(CONNECTIONS, round(ALONE * scale))
    a_run = batches * BATCH + one
    filler = max(0, round(BOOKED * scale) - runs * a_run) // BATCH * BATCH
    deposits = iter(range(filler + 2 * runs * a_run))
    booked = filler + runs * a_run

    def take(count: int) -> list[str]:
        return [f"dep_{next(deposits)}" for _ in range(count)]

    with tempfile.TemporaryDirectory() as folder:
        async with installed(Path(folder), booked + runs * a_run) as db:
            await arrive(db, 0, booked)
            await in_batches(db, take(filler), CHECKED)
            checked = [await posted(db, take(batches * BATCH), take(one), CHECKED) for _ in range(runs)]
            verified = [await verify(db) for _ in range(runs)]
            read = await read_as_of(db, runs)
            reports = {format: [await reported(db.url, format) for _ in range(runs)] for format in Format}
            await arrive(db, booked, runs * a_run)
            bare = [await posted(db, take(batches * BATCH), take(one), UNCHECKED) for _ in range(runs)]
    entries = f"{2 * booked:,} entries"
    return [
        Figure(f"booked, {BATCH:,} in a commit, one connection", "µs", of(checked, 0), 100),
        Figure("the same statements without checks", "µs", of(bare, 0)),
        Figure(f"booked, one in a commit, {CONNECTIONS} connections", "µs", of(checked, 1), 1_000),
        Figure("the same statements without checks", "µs", of(bare, 1)),
        Figure(f"G1 to G3 over {entries}", "s", of(verified, 0), 3),
        Figure(f"every invariant over {entries}", "s", of(verified, 1)),
        Figure(f"balances {DAYS // 2 - 1} days after the newest closing", "ms", tuple(read), 10),
        *(figure for format, made in reports.items() for figure in of_reports(format, made)),
    ]


async def reported(url: str, format: Format) -> dict[str, float]:
    """A report of everything, by a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._reporting", url, format, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the report ended with {process.returncode}")
    found: dict[str, float] = json.loads(said)
    return found


def of_reports(format: Format, made: Sequence[dict[str, float]]) -> list[Figure]:
    """What a row took, the memory of the process that made them, and how often it said how far it is."""
    name = f"report of {made[0]['rows']:,} balance transactions as {format}"
    return [
        Figure(name, "µs a row", tuple(each["s"] / each["rows"] * 1e6 for each in made), 10),
        Figure(f"{name}: memory", "MB", tuple(each["mb"] for each in made), 200),
        Figure(f"{name}: how often progress was told", "times", tuple(each["told"] for each in made)),
    ]


def of(measured: Sequence[tuple[float, float]], which: int) -> tuple[float, ...]:
    """One column of what was measured."""
    return tuple(each[which] for each in measured)


@asynccontextmanager
async def installed(folder: Path, deposits: int) -> AsyncIterator[Database]:
    """A fresh installation with the blocks for so many deposits."""
    blocks = -(-deposits // 1000)
    step = timedelta(days=DAYS) / blocks
    start = datetime.now(UTC) - timedelta(days=DAYS)
    times = {"start": f"timestamptz '{start}'", "step": f"interval '{step.total_seconds()} s'"}
    with EmbeddedPostgres(folder / "postgres", settings=SERVER) as url:
        await migrate(url.database("postgres"))
        patient = Timeouts(statement=1_800_000, idle_in_transaction=600_000)
        name = url.database("postgres")
        async with Database(name, timeouts=patient, pool_size=CONNECTIONS + 1) as db:
            await as_written(db, INSTALLATION.format(blocks=blocks, **times))
            yield db


async def arrive(db: Database, first: int, count: int) -> None:
    """So many more deposits to book."""
    await as_written(db, ARRIVALS.format(first=first, last=first + count - 1))


async def as_written(db: Database, statements: str) -> None:
    """Rows that hold by construction, without a look at each."""
    async with db.read() as conn:
        await conn.execute(b"SET session_replication_role = replica; SET synchronous_commit = off")
        await conn.execute(statements.encode())
        await conn.execute(b"RESET ALL")
        await conn.execute(b"VACUUM ANALYZE")


async def posted(db: Database, many: Sequence[str], few: Sequence[str], rules: str) -> tuple[float, float]:
    """µs a transaction: in batches over one connection, and one in a commit over several."""
    in_many = await seconds(lambda: in_batches(db, many, rules))
    one_by_one = await seconds(
        lambda: asyncio.gather(*(alone(db, few[n::CONNECTIONS], rules) for n in range(CONNECTIONS)))
    )
    return in_many / len(many) * 1e6, one_by_one / len(few) * 1e6


async def in_batches(db: Database, deposits: Sequence[str], rules: str) -> None:
    """Books them, a batch in a commit."""
    for begin in range(0, len(deposits), BATCH):
        async with db.transaction() as conn:
            await conn.execute(rules.encode())
            await ledger.post_deposits(conn, deposits[begin : begin + BATCH])


async def alone(db: Database, deposits: Sequence[str], rules: str) -> None:
    """Books them, each in its own commit."""
    async with db.read() as conn:
        await conn.execute(rules.encode())
        for deposit in deposits:
            await ledger.post_deposit(conn, deposit)


async def verify(db: Database) -> tuple[float, float]:
    """Seconds for the sums alone, and for all invariants. Raises: RuntimeError when one does not hold."""
    async with db.transaction() as conn:
        return await timed(conn, verification.CHECKS[:3]), await timed(conn, verification.CHECKS)


async def timed(conn: Connection, checks: Sequence[verification.Check]) -> float:
    """Seconds for these checks."""
    started = time.perf_counter()
    wrong = await verification.wrong_rows(conn, checks)
    if wrong:
        raise RuntimeError(f"the books do not add up: {wrong[0]}")
    return time.perf_counter() - started


async def read_as_of(db: Database, runs: int) -> list[float]:
    """ms to read what accounts stood at yesterday; the first half of all days is closed."""
    closed = datetime.now(UTC) - timedelta(days=DAYS / 2)
    async with db.transaction() as conn:
        await periods.close(conn, closed)
    async with db.read() as conn:
        return [
            1e3 * await seconds(lambda: periods.balances_at(conn, closed + timedelta(days=DAYS / 2 - 1)))
            for _ in range(runs)
        ]
