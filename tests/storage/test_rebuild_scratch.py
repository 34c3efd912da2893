"""Where books are made anew: a database that one rebuild at a time makes and drops."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from bascule.domain.errors import Conflict, Halted
from bascule.storage.rebuild.scratch import MARK, scratch
from tests.support.postgres import TEMPLATE, TestServer


def left_by_another(server: TestServer, name: str, template: str = TEMPLATE) -> None:
    """What a rebuild makes, and a killed one leaves."""
    server.create(name, template)
    server.admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), MARK))


async def test_database_of_that_name_that_no_rebuild_made_is_not_dropped(
    postgres_server: TestServer, database_name: str, database_url: Callable[..., str]
) -> None:
    postgres_server.create(f"{database_name}_rebuild")
    try:
        with pytest.raises(Halted, match="was made by no rebuild: rename it"):
            async with scratch(database_url()):
                raise AssertionError("somebody's database was dropped")
        with psycopg.connect(postgres_server.url_of(f"{database_name}_rebuild")) as there:
            assert there.execute("SELECT count(*) FROM ledger.tx").fetchone() == (0,)
    finally:
        postgres_server.drop(f"{database_name}_rebuild")


@pytest.mark.slow
async def test_two_rebuilds_at_a_time_are_refused(
    postgres_server: TestServer, database_name: str, database_url: Callable[..., str]
) -> None:
    left_by_another(postgres_server, f"{database_name}_rebuild")
    try:
        with (
            psycopg.connect(postgres_server.url_of(f"{database_name}_rebuild")),
            pytest.raises(Conflict) as refused,
        ):
            async with scratch(database_url()):
                raise AssertionError("it works in a database that is in use")
    finally:
        postgres_server.drop(f"{database_name}_rebuild")

    assert refused.value.code == "rebuild_running"


@pytest.mark.slow
async def test_of_two_rebuilds_that_begin_at_once_one_works_and_the_other_is_refused(
    postgres_server: TestServer, database_name: str, database_url: Callable[..., str]
) -> None:
    """Also where the first has made its database, and nobody works in it yet."""
    both = asyncio.Event()

    async def one() -> str:
        try:
            async with scratch(database_url()) as made, made.read() as conn:
                await both.wait()
                return "works" if await conn.execute("SELECT count(*) FROM ledger.tx") else "no"
        except Conflict as refused:
            return refused.code
        finally:
            both.set()

    assert sorted(await asyncio.gather(one(), one(), one())) == ["rebuild_running"] * 2 + ["works"]


async def test_login_that_may_create_no_database_is_told_what_it_needs(
    database_url: Callable[..., str],
) -> None:
    with pytest.raises(Halted, match="ALTER ROLE … CREATEDB"):
        async with scratch(database_url("worker")):
            raise AssertionError("a worker created a database")


@pytest.mark.slow
async def test_what_a_killed_rebuild_left_is_dropped_by_the_next(
    postgres_server: TestServer, database_name: str, database_url: Callable[..., str]
) -> None:
    left_by_another(postgres_server, f"{database_name}_rebuild", database_name)

    async with scratch(database_url()) as made, made.read() as conn:
        rows = await conn.execute("SELECT count(*) FROM ledger.tx")
        assert await rows.fetchall() == [(0,)]

    left = postgres_server.admin.execute(
        "SELECT datname FROM pg_database WHERE datname = %s", [f"{database_name}_rebuild"]
    )
    assert left.fetchall() == []
