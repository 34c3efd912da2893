"""PostgreSQL is killed again and again while four connections book: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg
import pytest

from bascule.entrypoints.testing.postgres import throwaway_folder
from bascule.storage import ledger
from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.invariants import journal
from bascule.storage.migrate import migrate
from bascule.storage.verification import wrong_rows
from tests.support.books import OPERATOR, Books, posted

pytestmark = pytest.mark.slow

KILLS = 100
WRITERS = 4
ACKS = 20  # at least, between two kills
DEPOSITS = 40_000  # to book; more than are booked in all
FINAL_CAPITAL = """
SET session_replication_role = replica;
INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount,
                       occurrence)
SELECT 31337, decode(repeat('0a', 32), 'hex'), n, 10, sha256(int8send(n)), decode(repeat('c0', 20), 'hex'),
       decode(repeat('99', 20), 'hex'), decode(repeat('01', 20), 'hex'), n + 1, 0
  FROM generate_series(0, {last}) AS n;
INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst, occurrence,
                      token_id, amount, block_hash, block_number, block_time, log_index, state, created_at,
                      finalized_at)
SELECT 'dep_' || t.log_index, 'acct_operator', false, 'capital', t.chain_id, t.tx_hash, t.token, t.src,
       t.dst, 0, 'tok_usd', t.amount, t.block_hash, 10, now(), t.log_index, 'finalized', now(), now()
  FROM transfers AS t;
"""


@dataclass
class Writers:
    """Book one deposit after the other; `acked` are those whose commit was answered."""

    url: str
    acked: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def book_until_the_server_dies(self, writer: int) -> None:
        """Every fourth deposit that was not acknowledged, asked again if need be; tells of ACKS more."""
        wanted = len(self.acked) + ACKS
        try:
            async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
                for number in range(writer, DEPOSITS, WRITERS):
                    if number not in self.acked:
                        self.asked.add(number)
                        await ledger.post_deposit(conn, f"dep_{number}")
                        self.acked.add(number)
                        if len(self.acked) >= wanted:
                            self.enough.set()
        except psycopg.OperationalError:
            return  # nobody knows whether the last one is booked
        raise AssertionError("every deposit is booked: make more of them")


async def test_bookings_acknowledged_by_a_server_that_is_killed_a_hundred_times_are_there_once() -> None:
    chance = Random(3)
    with throwaway_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres")
        try:
            writers = Writers(server.start().database("postgres"))
            await migrate(writers.url)
            async with Database(writers.url) as db:
                await Books(db).set_up()
                async with db.read() as conn:
                    await conn.execute(FINAL_CAPITAL.format(last=DEPOSITS - 1).encode())
            for _ in range(KILLS):
                booking = [asyncio.create_task(writers.book_until_the_server_dies(n)) for n in range(WRITERS)]
                await writers.enough.wait()
                await asyncio.sleep(chance.uniform(0, 0.05))
                kill(server)
                await asyncio.gather(*booking)
                writers.enough.clear()
                server.start()
                await require_sound(writers)
        finally:
            server.stop()


def kill(server: EmbeddedPostgres) -> None:
    """All its processes at once, as a machine that stops."""
    assert server.pid is not None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in (server.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    server.stop()


async def require_sound(writers: Writers) -> None:
    """What was acknowledged is booked, at most what was asked for besides, and the books add up."""
    async with Database(writers.url) as db:
        async with db.read() as conn:
            rows = await (await conn.execute("SELECT substr(source_id, 5)::int FROM ledger.tx")).fetchall()
            assert await wrong_rows(conn, journal.CHECKS) == []
        booked = [number for (number,) in rows]
        assert len(booked) == len(set(booked))
        assert writers.acked <= set(booked) <= writers.asked
        units = sum(number + 1 for number in booked)
        assert await posted(db) == {"custody:vault": units, f"available:{OPERATOR}": -units}
