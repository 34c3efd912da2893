"""Connections under whoever is cancelled, fails, leaves a transaction open or has its session ended."""

import asyncio
from random import Random

import pytest
from psycopg.pq import TransactionStatus

from bascule.domain.errors import Retryable
from bascule.storage.database import Connection, Database
from bascule.storage.statements import Statement, execute

pytestmark = pytest.mark.slow
ECHO = Statement(b"SELECT $1::int AS n", ("n",))
SLEEP = Statement(b"SELECT pg_sleep($1)", ("s",))
MOST, ASKED, AT_ONCE = 3, 1_500, 12
NAME = "lent_at_random"


class World:
    """Three connections and who has them now."""

    def __init__(self, own: Database, other: Database, seed: int) -> None:
        self.own = own
        self.other = other
        self.random = Random(seed)
        self.used: set[int] = set()
        self.done = 0

    async def ask(self) -> None:
        inside = self.random.random() < 0.4
        try:
            async with self.own.transaction() if inside else self.own.read() as conn:
                assert id(conn) not in self.used, "two have one connection"
                self.used.add(id(conn))
                try:
                    began = TransactionStatus.INTRANS if inside else TransactionStatus.IDLE
                    assert conn.pgconn.transaction_status == began
                    await self.talk(conn, inside)
                finally:
                    self.used.remove(id(conn))
            self.done += 1
        except (Retryable, ZeroDivisionError):
            pass

    async def talk(self, conn: Connection, inside: bool) -> None:
        await self.echo(conn)
        if self.random.random() < 0.5:
            await execute(conn, SLEEP, {"s": self.random.random() * 0.01})
        if not inside and self.random.random() < 0.2:
            await conn.execute("BEGIN")
        await self.echo(conn)
        if self.random.random() < 0.02:
            await self.end("pid = %s", conn.pgconn.backend_pid)
        if self.random.random() < 0.1:
            raise ZeroDivisionError

    async def echo(self, conn: Connection) -> None:
        n = self.random.randrange(1_000_000)
        assert (await execute(conn, ECHO, {"n": n})).tuples() == [(n,)]

    async def end(self, which: str, value: object) -> None:
        async with self.other.read() as conn:
            ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"
            await conn.execute(ended, [value])

    async def has_sessions(self, wanted: int) -> bool:
        """Soon: PostgreSQL ends each after the client said goodbye."""
        counting = "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = %s"
        for _ in range(400):
            async with self.other.read() as conn:
                [[count]] = await (await conn.execute(counting, [NAME])).fetchall()
            if count == wanted:
                return True
            await asyncio.sleep(0.05)
        return False


async def crowd(world: World) -> None:
    """Asks in a crowd, of whom every third is cancelled at any moment, some of them twice."""
    asking: set[asyncio.Task[None]] = set()
    for n in range(ASKED):
        asking.add(asyncio.create_task(world.ask()))
        await asyncio.sleep(world.random.random() * 0.002)
        for task in [each for each in asking if world.random.random() < 0.03]:
            task.cancel()
            if world.random.random() < 0.2:
                await asyncio.sleep(0)
                task.cancel()
        if n % 300 == 299:
            await world.end("application_name = %s", NAME)
        while len(asking) >= AT_ONCE:
            over, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            _refuse_errors(over)
    _refuse_errors((await asyncio.wait(asking))[0])


def _refuse_errors(over: set[asyncio.Task[None]]) -> None:
    for task in over:
        assert task.cancelled() or task.exception() is None, task.exception()


async def all_at_once(own: Database) -> None:
    async with own.read() as one, own.read() as two, own.read() as three:
        assert len({each.pgconn.backend_pid for each in (one, two, three)}) == MOST
        for each in (one, two, three):
            await each.execute("SELECT 1")


@pytest.mark.parametrize("seed", range(3))
async def test_no_place_is_lost_or_lent_twice_whatever_its_users_meet(db: Database, seed: int) -> None:
    async with Database(db.url, pool_size=MOST, name=NAME) as own:
        world = World(own, db, seed)
        await crowd(world)
        assert world.done > ASKED // 10
        for _ in range(MOST + 1):  # each may meet a session that was ended and has not said so yet
            try:
                await all_at_once(own)
                break
            except Retryable:
                continue
        else:
            pytest.fail("not all connections can be had at once")
        assert await world.has_sessions(MOST)
    assert await world.has_sessions(0)
