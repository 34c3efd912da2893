import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from bascule.storage import statements
from bascule.storage.database import Connection, Database
from bascule.storage.statements import PREPARED_AFTER, Statement, execute

TWICE = Statement(b"SELECT $1::int8 * 2 AS twice", ("n",))


async def prepared(conn: Connection) -> list[str]:
    cursor = await conn.execute("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time")
    return [row[0] for row in await cursor.fetchall()]


async def twice(conn: Connection, n: object) -> Sequence[Any]:
    return (await execute(conn, TWICE, {"n": n})).dicts()


async def test_statement_used_often_is_prepared_and_answers_the_same(db: Database) -> None:
    async with db.read() as conn:
        answers = [await twice(conn, n) for n in range(PREPARED_AFTER + 3)]

        assert answers == [[{"twice": 2 * n}] for n in range(PREPARED_AFTER + 3)]
        assert await prepared(conn) == [TWICE.text.decode()]


async def test_values_of_other_types_are_another_statement(db: Database) -> None:
    async with db.read() as conn:
        for n in range(2 * PREPARED_AFTER + 4):
            assert await twice(conn, n if n % 2 else 2**40) == [{"twice": 2 * n if n % 2 else 2**41}]
        assert await twice(conn, None) == [{"twice": None}]

        assert len(await prepared(conn)) == 2


@pytest.mark.parametrize("plan_once", [False, True])
async def test_a_rollback_leaves_what_is_prepared(db: Database, plan_once: bool) -> None:
    async with Database(db.url, pool_size=1, plan_once=plan_once) as own, own.read() as conn:
        for n in range(PREPARED_AFTER + 1):
            await twice(conn, n)
        async with conn.transaction():
            await conn.execute("SELECT 1")
            raise psycopg.Rollback

        assert await twice(conn, 4) == [{"twice": 8}]
        assert await prepared(conn) == [TWICE.text.decode()]


async def test_a_connection_keeps_the_statements_it_used_last(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "PREPARED_MAX", 2)
    monkeypatch.setattr(statements, "PREPARED_AFTER", 0)
    others = [Statement(f"SELECT {n} AS n".encode(), ()) for n in range(3)]
    async with db.read() as conn:
        for statement in (TWICE, others[0], TWICE, others[1], TWICE, others[2]):
            await execute(conn, statement, {"n": 1} if statement is TWICE else {})

        assert set(await prepared(conn)) == {TWICE.text.decode(), "SELECT 2 AS n"}


async def test_a_refused_statement_says_why_and_the_connection_goes_on(db: Database) -> None:
    divided = Statement(b"SELECT 1 / $1::int8 AS part", ("n",))
    async with db.read() as conn:
        for _ in range(PREPARED_AFTER + 2):
            with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
                await execute(conn, divided, {"n": 0})
            assert (await execute(conn, divided, {"n": 1})).tuples() == [(1,)]
        with pytest.raises(psycopg.errors.SyntaxError):
            await execute(conn, Statement(b"SELEC 1", ()), {})
        assert await twice(conn, 1) == [{"twice": 2}]


async def test_a_statement_given_up_leaves_the_connection_usable(db: Database) -> None:
    sleeping = Statement(b"SELECT pg_sleep($1::float8) AS slept", ("s",))
    async with db.read() as conn:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(execute(conn, sleeping, {"s": 30.0}), 0.05)

        assert await twice(conn, 3) == [{"twice": 6}]


async def test_tasks_that_share_a_connection_take_turns(db: Database) -> None:
    async with db.read() as conn:
        answers = await asyncio.gather(*(twice(conn, n) for n in range(20)))

        assert answers == [[{"twice": 2 * n}] for n in range(20)]


async def test_statements_without_rows_say_how_many_they_changed(db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute("CREATE TEMPORARY TABLE written (n int) ON COMMIT DROP")
        made = await execute(
            conn, Statement(b"INSERT INTO written SELECT generate_series(1, $1::int)", ("n",)), {"n": 3}
        )
        assert (made.count, made.tuples(), made.dicts()) == (3, [], [])
        found = await execute(conn, Statement(b"SELECT n FROM written WHERE n > 3", ()), {})
        assert (found.count, found.tuples(), found.dicts()) == (0, [], [])


async def test_a_table_that_got_a_column_is_asked_anew(db: Database) -> None:
    everything = Statement(b"SELECT * FROM widening", ())
    async with db.read() as conn:
        await conn.execute("CREATE TEMPORARY TABLE widening AS SELECT 1 AS a")
        for _ in range(PREPARED_AFTER + 1):
            await execute(conn, everything, {})
        await conn.execute("ALTER TABLE widening ADD COLUMN b int")
        with pytest.raises(psycopg.OperationalError, match="again"):
            await execute(conn, everything, {})

        assert (await execute(conn, everything, {})).dicts() == [{"a": 1, "b": None}]


async def test_statement_that_is_given_up_ends_in_the_server_and_leaves_its_connection_usable(
    db: Database,
) -> None:
    slow = Statement(b"SELECT pg_sleep(60) AS given_up", ())
    async with db.read() as conn:
        asking = asyncio.create_task(execute(conn, slow, {}))
        async with db.read() as other:
            while not await runs(other, slow):  # noqa: ASYNC110 - the server has no event for us
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert not await runs(other, slow)

        assert await twice(conn, 4) == [{"twice": 8}]


async def runs(conn: Connection, statement: Statement) -> bool:
    cursor = await conn.execute(
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = %s", [statement.text.decode()]
    )
    return await cursor.fetchone() is not None
