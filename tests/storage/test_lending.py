"""Who uses which connection: of one or two at most."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bascule.domain.errors import Retryable
from bascule.storage import lending
from bascule.storage.database import Connection, Database


@pytest.fixture
async def one(db: Database) -> AsyncIterator[Database]:
    async with Database(db.url, pool_size=1) as own:
        yield own


@pytest.fixture
async def two(db: Database) -> AsyncIterator[Database]:
    async with Database(db.url, pool_size=2) as own:
        yield own


def whose(conn: Connection) -> int:
    return conn.pgconn.backend_pid


async def test_connection_given_back_is_lent_again(two: Database) -> None:
    async with two.read() as conn:
        first = whose(conn)
    async with two.read() as conn, two.read() as other:
        assert whose(conn) == first != whose(other)


async def test_who_waits_is_served_in_turn(two: Database) -> None:
    served = []

    async def ask(name: int) -> None:
        async with two.read():
            served.append(name)
            await asyncio.sleep(0)

    async with two.read(), two.read():
        asking = [asyncio.create_task(ask(name)) for name in range(5)]
        await asyncio.sleep(0)
        assert served == []
    await asyncio.gather(*asking)
    assert served == list(range(5))


async def test_who_waits_too_long_is_told_to_come_again(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with one.read():
        monkeypatch.setattr(one._lender, "_wait_s", 0.01)
        with pytest.raises(Retryable, match="get a connection"):
            async with one.read():
                pass
    async with one.read() as conn:
        await conn.execute("SELECT 1")


async def test_what_came_for_one_who_gave_up_goes_to_the_next(one: Database) -> None:
    order = []

    async def ask(name: str) -> None:
        async with one.read():
            order.append(name)

    async with one.read():
        impatient, other = asyncio.create_task(ask("impatient")), asyncio.create_task(ask("other"))
        await asyncio.sleep(0)
    impatient.cancel()  # the connection has been handed to it, and it does not know yet
    await asyncio.gather(impatient, other, return_exceptions=True)
    assert order == ["other"]
    async with one.read() as conn:
        await conn.execute("SELECT 1")


async def test_broken_connection_leaves_its_place_to_who_waits(one: Database) -> None:
    async def ask() -> int:
        async with one.read() as conn:
            await conn.execute("SELECT 1")
            return whose(conn)

    async with one.read() as conn:
        broken = whose(conn)
        waiting = asyncio.create_task(ask())
        await asyncio.sleep(0)
        await conn.close()
    assert await waiting != broken


async def test_what_is_left_open_is_rolled_back(one: Database) -> None:
    async with one.read() as conn:
        await conn.execute("BEGIN")
        await conn.execute("CREATE TABLE left_open (n int)")
    async with one.read() as conn:
        cursor = await conn.execute("SELECT to_regclass('left_open')")
        assert await cursor.fetchone() == (None,)


async def test_who_is_cancelled_while_it_is_rolled_back_takes_no_place_along(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one._lender, "_wait_s", 2.0)
    leaving = asyncio.Event()

    async def leave_open() -> None:
        async with one.read() as conn:
            await conn.execute("BEGIN")
            leaving.set()

    task = asyncio.create_task(leave_open())
    await leaving.wait()
    task.cancel()  # it waits for the server to roll back
    with pytest.raises(asyncio.CancelledError):
        await task
    async with one.read() as conn:
        await conn.execute("SELECT 1")


async def test_connection_goes_back_to_the_pool_when_it_was_kept_for_long(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with one.read() as conn:
        first = whose(conn)
    assert one._pool.get_stats()["pool_available"] == 0

    monkeypatch.setattr(lending, "KEPT_S", -1.0)
    async with one.read():
        pass
    assert one._pool.get_stats()["pool_available"] == 1
    async with one.read() as conn:
        assert whose(conn) == first


async def test_connections_nobody_uses_go_back_to_the_pool_though_nobody_asks_any_more(
    two: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "RESTED_S", 0.01)
    async with two.read() as conn, two.read() as other:
        pids = {whose(conn), whose(other)}
    async with asyncio.timeout(30):
        while two._pool.get_stats()["pool_available"] < 2:  # noqa: ASYNC110 - the pool has no event for us
            await asyncio.sleep(0.005)
    async with two.read() as conn, two.read() as other:
        assert {whose(conn), whose(other)} == pids


async def test_nobody_waits_for_a_pool_that_is_closed(db: Database) -> None:
    one = await Database(db.url, pool_size=1).open()
    async with one.read():
        waiting = asyncio.create_task(one.check_role("none"))
        await asyncio.sleep(0)
        await one.close()
        with pytest.raises(Retryable, match="closed"):
            await waiting
    with pytest.raises(Retryable, match="closed"):
        async with one.read():
            pass
