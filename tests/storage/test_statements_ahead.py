"""A statement that goes ahead of another one: it is heard first, and decides whether the other is."""

import asyncio

import psycopg
import pytest

from bascule.domain.errors import Retryable
from bascule.storage.database import Connection, Database
from bascule.storage.statements import PREPARED_AFTER, Answer, Statement, ahead, execute
from tests.storage.test_statements import runs

FIRST = Statement(b"SELECT $1::int8 AS first", ("n",))
SECOND = Statement(b"SELECT $1::int8 AS second", ("n",))
DIVIDED = Statement(b"SELECT 1 / $1::int8 AS part", ("n",))
SLOW = Statement(b"SELECT pg_sleep($1::int8) AS slow_one", ("n",))
USES = range(PREPARED_AFTER + 3)  # until both are prepared, and go together


class Refused(Exception):
    """What a check says."""


class Heard:
    """A check: what it was told. refuses: that it lets nothing pass."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.refuses = refuses

    def __call__(self, answer: Answer) -> None:
        self.rows += answer.tuples()
        if self.refuses:
            raise Refused


async def second(conn: Connection, n: int) -> list[tuple[object, ...]]:
    return (await execute(conn, SECOND, {"n": n})).tuples()


async def prepare(conn: Connection) -> None:
    for statement in (FIRST, SECOND, DIVIDED):
        for _ in USES:
            await execute(conn, statement, {"n": 1})


async def test_both_are_answered_however_they_are_sent(db: Database) -> None:
    async with db.read() as conn:
        for n in USES:
            heard = Heard()
            async with ahead(conn, FIRST, {"n": n}, heard):
                found = await second(conn, n)
                assert heard.rows == [(n,)], "heard before the other"
                assert (await second(conn, 7), heard.rows) == ([(7,)], [(n,)]), "asked once"
            assert found == [(n,)]


async def test_what_the_check_refuses_nobody_has_and_the_connection_goes_on(db: Database) -> None:
    async with db.read() as conn:
        for n in USES:
            with pytest.raises(Refused):
                async with ahead(conn, FIRST, {"n": n}, Heard(refuses=True)):
                    raise AssertionError(await second(conn, n))
            assert await second(conn, n) == [(n,)]


@pytest.mark.parametrize("asked", [False, True])
async def test_check_is_heard_before_whatever_the_block_met(db: Database, asked: bool) -> None:
    async def ask(heard: Heard) -> None:
        async with ahead(conn, FIRST, {"n": 5}, heard):
            if asked:
                await execute(conn, DIVIDED, {"n": 0})
            raise ZeroDivisionError

    async with db.read() as conn:
        await prepare(conn)
        for refuses in (False, True):
            heard = Heard(refuses=refuses)
            met = psycopg.errors.DivisionByZero if asked else ZeroDivisionError
            with pytest.raises(Refused if refuses else met):
                await ask(heard)
            assert heard.rows == [(5,)]
        with pytest.raises(Refused):
            async with ahead(conn, FIRST, {"n": 5}, Heard(refuses=True)):
                pass
        assert await second(conn, 1) == [(1,)]


async def test_a_statement_ahead_that_fails_takes_the_other_along(db: Database) -> None:
    async with db.read() as conn:
        await prepare(conn)
        heard = Heard()
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with ahead(conn, DIVIDED, {"n": 0}, heard):
                raise AssertionError(await second(conn, 1))
        assert (heard.rows, await second(conn, 1)) == ([], [(1,)])


async def test_within_a_transaction_a_refusal_rolls_it_back(db: Database) -> None:
    async def write() -> None:
        async with conn.transaction():
            await conn.execute("INSERT INTO kept VALUES (1)")
            async with ahead(conn, FIRST, {"n": 1}, Heard(refuses=True)):
                await second(conn, 1)

    async with db.read() as conn:
        await prepare(conn)
        await conn.execute("CREATE TEMPORARY TABLE kept (n int8)")
        with pytest.raises(Refused):
            await write()
        assert (await execute(conn, Statement(b"SELECT count(*) FROM kept", ()), {})).tuples() == [(0,)]


async def test_tables_that_changed_are_planned_anew(db: Database) -> None:
    everything = Statement(b"SELECT * FROM widened", ())
    async with db.read() as conn:
        await prepare(conn)
        await conn.execute("CREATE TEMPORARY TABLE widened AS SELECT 1 AS a")
        for _ in USES:
            await execute(conn, everything, {})
        for columns, pair in enumerate([(FIRST, everything), (everything, FIRST)], 2):
            await conn.execute(f"ALTER TABLE widened ADD COLUMN c{columns} int".encode())
            with pytest.raises(psycopg.OperationalError, match="again"):
                async with ahead(conn, pair[0], {"n": 1}, Heard()):
                    await execute(conn, pair[1], {"n": 1})
            for _ in USES:
                assert len((await execute(conn, everything, {})).tuples()[0]) == columns


@pytest.mark.parametrize("pair", [(SLOW, FIRST), (FIRST, SLOW)])
async def test_session_that_is_ended_meanwhile_is_said_to_be_lost_and_is_nobodys_next(
    db: Database, pair: tuple[Statement, Statement]
) -> None:
    async with Database(db.url, pool_size=1, plan_once=True) as own:
        lost = []

        async def ask() -> None:
            async with own.read() as conn, ahead(conn, pair[0], {"n": 60}, Heard()):
                lost.append(conn.pgconn.backend_pid)
                await execute(conn, pair[1], {"n": 60})

        asking = asyncio.create_task(ask())
        async with db.read() as other:
            while not await runs(other, SLOW):  # noqa: ASYNC110 - the server has no event for us
                await asyncio.sleep(0.01)
            await other.execute("SELECT pg_terminate_backend(%s)", lost)
        with pytest.raises(Retryable):
            await asking
        async with own.read() as conn:
            assert await second(conn, 3) == [(3,)]


async def test_who_is_given_up_ends_in_the_server_and_leaves_nothing_to_the_next(db: Database) -> None:
    async with Database(db.url, pool_size=1, plan_once=True) as own:

        async def ask() -> None:
            async with own.read() as conn, ahead(conn, FIRST, {"n": 1}, Heard()):
                await execute(conn, SLOW, {"n": 60})

        asking = asyncio.create_task(ask())
        async with db.read() as other:
            while not await runs(other, SLOW):  # noqa: ASYNC110 - the server has no event for us
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            while await runs(other, SLOW):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        async with own.read() as conn:
            assert await second(conn, 3) == [(3,)]
