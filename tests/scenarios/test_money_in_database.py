"""Stories of a database that goes away, dies or is busy while money comes in: late, never lost or twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import psycopg
import pytest

from bascule.domain.errors import Retryable
from bascule.entrypoints.testing.postgres import throwaway_folder
from bascule.services.failpoints import Failpoints
from bascule.services.watcher import Watcher
from bascule.storage.database import Database, Timeouts
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from tests.support.cases import case
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address

COMMITS = ["start", "lease", "commit", "proof", "finalize_commit", "reorg"]


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


class Disconnecting(Failpoints):
    """At the n-th hit of a failpoint the server ends every connection of the watcher."""

    def __init__(self, name: str, nth: int, admin: psycopg.Connection[tuple[object, ...]]) -> None:
        super().__init__({name: nth})
        self._admin = admin

    def die(self, name: str) -> None:
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'watcher'"
        )


@pytest.mark.slow
@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_connection_lost_at_any_commit_loses_and_repeats_nothing(
    b: Bridge, database_url: Callable[..., str], side: str
) -> None:
    with psycopg.connect(database_url(), autocommit=True) as admin:
        for number, commit in enumerate(COMMITS, start=1):
            with case(commit):
                await lost_at(b, admin, commit, side)
                assert len(await b.deposits()) == 2 * number
                units = 10_000_000 * number
                assert await b.booked() == {"custody:forwarders": units, "available:merchant": -units}


async def lost_at(b: Bridge, admin: psycopg.Connection[tuple[object, ...]], commit: str, side: str) -> None:
    refusals: list[str] = []
    nth = 1 if commit in ("start", "reorg") else 2
    watcher = b.watcher(failpoints=Disconnecting(f"watcher.{side}_{commit}", nth, admin))
    intent = await b.intent("10.00")
    await b.mine(3)
    for amount in ("4.00", "6.00"):
        await b.pay(intent, amount)
        for _ in range(12):
            try:
                await watcher.run_once()
            except Retryable as lost:
                refusals.append(str(lost)[:25])
        await b.node.dev.reorg(1)
        await b.mine(1)
    await b.finalize(watcher)
    await watcher.release()

    # a pool sees by itself that a connection died at rest
    assert refusals == (["the database is not ready"] if side == "before" else [])
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_a_database_that_others_hold_locked_is_waited_for(
    b: Bridge, database_url: Callable[..., str]
) -> None:
    """A lock that does not come in time is no failure of the chain's."""
    starter = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await starter.release()
    async with Database(database_url("watcher"), name="watcher", timeouts=Timeouts(lock=50)) as impatient:
        patient, b.db = b.db, impatient
        watcher = b.watcher()
        with psycopg.connect(database_url()) as rival:
            rival.execute("SELECT * FROM cursors FOR UPDATE")
            for _ in range(2):
                with pytest.raises(Retryable, match="the database is not ready"):
                    await watcher.run_once()
            assert await b.stored() == []
        await b.finalize(watcher)
        b.db = patient

    assert (await b.shown(intent))["status"] == "succeeded"


class Overtaken(Failpoints):
    """Before the watcher's commit somebody else reads what it wrote, writes what it read, and is quicker."""

    def __init__(self, url: str) -> None:
        super().__init__({"watcher.before_commit": 1})
        self._url = url

    def die(self, name: str) -> None:
        with psycopg.connect(self._url) as rival:
            rival.execute("SELECT count(*) FROM transfers")
            rival.execute("UPDATE tokens SET name = 'Another name'")


async def test_a_serialization_failure_is_tried_again_and_books_once(
    b: Bridge, database_url: Callable[..., str]
) -> None:
    """Where an operator made `serializable` the default, PostgreSQL refuses the later of two commits."""
    starter = await b.started()
    await b.settle_down(starter)
    await starter.release()
    with psycopg.connect(database_url(), autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'".encode())
    async with Database(database_url("watcher"), name="watcher") as serializable:
        usual, b.db = b.db, serializable
        watcher = b.watcher(failpoints=Overtaken(database_url()))
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        with pytest.raises(Retryable, match="could not serialize access"):
            await watcher.run_once()
        assert await b.stored() == []
        await b.finalize(watcher)
        b.db = usual

    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_a_deadlock_ends_the_watchers_try_and_the_next_one_books_once(
    b: Bridge, database_url: Callable[..., str]
) -> None:
    """Somebody holds the intent that a payment is for, and wants the cursor that the watcher holds."""
    watcher = await b.started()
    await b.settle_down(watcher)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    async with await psycopg.AsyncConnection.connect(database_url()) as rival:
        await rival.execute("SET deadlock_timeout = '1min'")  # it is the watcher that finds the deadlock
        await rival.execute("SELECT FROM payment_intents FOR UPDATE")
        step = asyncio.create_task(watcher.run_once())
        await until_it_waits(b)
        await rival.execute("SELECT FROM cursors FOR UPDATE")
        with pytest.raises(Retryable, match="deadlock detected"):
            await step
        assert await b.stored() == []
    await b.finalize(watcher)

    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def until_it_waits(b: Bridge) -> None:
    """Returns when a statement of the watcher waits for a lock."""
    for _ in range(1_000):
        waiting = (
            "SELECT FROM pg_stat_activity WHERE application_name = 'watcher' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        if await b.rows(waiting):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the watcher waits for nobody")


@pytest.mark.slow
async def test_a_server_that_is_down_for_a_minute_loses_nothing() -> None:
    """PostgreSQL itself stops, once cleanly and once killed, while the chain goes on and forks."""
    with throwaway_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres")
        url = server.start().database("postgres")
        try:
            await migrate(url)
            async with AsyncExitStack() as stack:

                async def open_as(role: str) -> Database:
                    return await stack.enter_async_context(Database(url, name=role, pool_size=2))

                b = await stack.enter_async_context(bridge(open_as))
                watcher = await b.started()
                for killed in (False, True):
                    await paid_while_down(b, watcher, server, killed)
                await b.require_chain_and_rows_agree()
        finally:
            server.stop()


async def paid_while_down(b: Bridge, watcher: Watcher, server: EmbeddedPostgres, killed: bool) -> None:
    intent = await b.intent("10.00")
    await b.pay(intent, "3.00")
    await b.settle_down(watcher)
    if killed:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
    server.stop()
    for _ in range(6):
        b.clock.advance(10)
        await b.send(deposit_address(intent), "1.00", payer=2)
        await b.mine(2)
    with pytest.raises(Retryable, match="the database is not ready"):
        await watcher.run_once()
    await b.node.dev.reorg(2)
    server.start()

    await b.pay(intent, "1.00", payer=3)
    await back_again(watcher)
    await b.finalize(watcher)
    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_confirmed"]) == ("succeeded", "10.000000")
    booked = await b.booked()
    assert booked["custody:forwarders"] == -booked["available:merchant"] == (20 if killed else 10) * 10**6


async def back_again(watcher: Watcher) -> None:
    """The pool's own pause between two tries to connect may be some seconds by now."""
    for _ in range(5):
        with suppress(Retryable):
            await watcher.run_once()
            return
    raise AssertionError("the watcher does not find the server that is back")
