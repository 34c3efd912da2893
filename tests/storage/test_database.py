import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage.database import Database, Timeouts, TransactionOpen
from bascule.storage.statements import Statement, execute

Url = Callable[..., str]


async def count_of(db: Database) -> int:
    async with db.read() as conn:
        row = await (await conn.execute("SELECT count(*) FROM runs")).fetchone()
        assert row is not None
        return int(row[0])


INSERT = "INSERT INTO runs (name, due_at) VALUES (%s, now())"


async def test_transaction_commits_when_the_block_ends(db: Database) -> None:
    async with db.transaction() as conn:
        await conn.execute(INSERT, ["one"])

    assert await count_of(db) == 1


async def test_transaction_rolls_back_when_the_block_raises(db: Database) -> None:
    async def insert_and_fail() -> None:
        async with db.transaction() as conn:
            await conn.execute(INSERT, ["one"])
            raise LookupError

    with pytest.raises(LookupError):
        await insert_and_fail()

    assert await count_of(db) == 0


async def test_read_commits_each_statement_by_itself(db: Database) -> None:
    async with db.read() as conn:
        assert conn.autocommit
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


async def test_world_is_refused_inside_a_transaction(db: Database) -> None:
    db.refuse_open_transaction()
    async with db.transaction():
        with pytest.raises(TransactionOpen):
            db.refuse_open_transaction()
    db.refuse_open_transaction()


async def test_world_is_refused_in_tasks_started_inside_a_transaction(db: Database) -> None:
    async def call_the_world() -> None:
        db.refuse_open_transaction()

    async with db.transaction():
        during = asyncio.create_task(call_the_world())
        with pytest.raises(TransactionOpen):
            await during
        after_release = asyncio.Event()

        async def call_later() -> None:
            await after_release.wait()
            db.refuse_open_transaction()

        later = asyncio.create_task(call_later())
    after_release.set()
    await later


async def test_world_may_be_called_while_another_task_has_a_transaction(db: Database) -> None:
    opened, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            opened.set()
            await done.wait()

    task = asyncio.create_task(hold())
    await opened.wait()
    db.refuse_open_transaction()
    done.set()
    await task


async def test_second_transaction_in_a_task_is_refused(db: Database) -> None:
    async with db.transaction():
        with pytest.raises(TransactionOpen):
            async with db.transaction():
                pass
        with pytest.raises(TransactionOpen):
            async with db.read():
                pass


async def test_statement_is_planned_once_and_for_whatever_parameters(database_url: Url) -> None:
    """From its first run on, by whom that is wanted."""
    asked = Statement(b"SELECT due_at FROM runs WHERE name = $1", ("name",))
    async with Database(database_url(), pool_size=1, plan_once=True) as db, db.read() as conn:
        for n in range(7):
            await execute(conn, asked, {"name": str(n)})
        planned = await conn.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE 'SELECT due_at FROM runs%'"
        )
        assert await planned.fetchall() == [(7, 0)]


async def test_killed_connections_are_replaced(db: Database) -> None:
    async with db.read() as conn:
        pid = conn.info.backend_pid
    async with await psycopg.AsyncConnection.connect(db.url, autocommit=True) as killer:
        await killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    assert await count_of(db) == 0


async def test_connection_lost_inside_a_transaction_is_retryable(db: Database) -> None:
    async def insert_on_a_dead_connection() -> None:
        async with db.transaction() as conn:
            async with await psycopg.AsyncConnection.connect(db.url, autocommit=True) as killer:
                await killer.execute("SELECT pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])
            await conn.execute(INSERT, ["one"])

    with pytest.raises(Retryable):
        await insert_on_a_dead_connection()
    assert await count_of(db) == 0


async def test_slow_statement_is_retryable(database_url: Url) -> None:
    async with Database(database_url(), timeouts=Timeouts(statement=20)) as db:
        with pytest.raises(Retryable, match="statement timeout"):
            async with db.read() as conn:
                await conn.execute("SELECT pg_sleep(5)")


async def test_lock_that_is_not_given_is_retryable(db: Database, database_url: Url) -> None:
    async with Database(database_url(), timeouts=Timeouts(lock=20)) as other, db.transaction() as conn:
        await conn.execute("LOCK TABLE runs")
        with pytest.raises(Retryable, match="lock timeout"):
            async with other.read() as waiting:
                await waiting.execute(INSERT, ["one"])


async def test_absent_server_is_one_retryable_line() -> None:
    with pytest.raises(Retryable, match=r"^the database does not answer: [^\n]+$"):
        await Database("postgresql://nobody:secret@/none?host=/nowhere").open()


async def test_opening_and_the_first_read_share_one_connection(
    database_url: Url, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    connect = psycopg.AsyncConnection.connect.__func__

    async def counted(cls: type[Any], *args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return await connect(cls, *args, **options)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", classmethod(counted))
    async with Database(database_url("api")) as opened, opened.read() as conn:
        await conn.execute("SELECT 1")

    assert made == 1


async def test_wrong_password_is_one_retryable_line(database_url: Url) -> None:
    url = database_url("api").replace(":", ":x", 2).replace("postgresql:x", "postgresql:")

    with pytest.raises(Retryable, match="password authentication failed"):
        await Database(url).open()


async def test_unusable_url_halts() -> None:
    with pytest.raises(Halted, match="URL cannot be used"):
        await Database("postgresql://x?no_such_option=1").open()


async def test_process_login_passes_its_own_role_check_only(
    db_as: Callable[[str], Awaitable[Database]],
) -> None:
    api = await db_as("api")

    await api.check_role("bascule_api")
    with pytest.raises(Halted, match="member of bascule_api, not a member of bascule_worker"):
        await api.check_role("bascule_worker")


async def test_superuser_fails_every_role_check(db: Database) -> None:
    with pytest.raises(Halted, match="superuser"):
        await db.check_role("bascule_api")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("ALTER ROLE {login} CREATEROLE", "createrole"),
        ("ALTER ROLE {login} CREATEDB", "createdb"),
        ("ALTER ROLE {login} BYPASSRLS", "bypassrls"),
        ("ALTER ROLE {login} REPLICATION", "replication"),
        ("GRANT bascule_signer TO {login}", "member of bascule_signer"),
        ("ALTER TABLE runs OWNER TO {login}", "owner"),
        ("GRANT pg_read_all_data TO {login}", "member of pg_read_all_data"),
    ],
)
async def test_login_with_more_rights_than_its_group_is_refused(
    db: Database, database_name: str, database_url: Url, change: str, complaint: str
) -> None:
    login = f"{database_name}_suspect"
    async with db.read() as conn:
        await conn.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE bascule_api".encode())
        await conn.execute(change.format(login=login).encode())
    url = f"postgresql://{login}:x@" + database_url().partition("@")[2]

    try:
        async with Database(url) as suspect:
            with pytest.raises(Halted, match=complaint):
                await suspect.check_role("bascule_api")
    finally:
        async with db.read() as conn:
            await conn.execute(f"REASSIGN OWNED BY {login} TO postgres".encode())
            await conn.execute(f"DROP ROLE {login}".encode())


async def test_notification_ends_a_wait(db: Database) -> None:
    waiting = asyncio.create_task(db.wait_for("outbox", 20))
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not waiting.done() and loop.time() - start < 10:
        async with db.read() as conn:
            await conn.execute("SELECT pg_notify('outbox', '')")
        await asyncio.wait([waiting], timeout=0.02)

    assert waiting.done()
    assert await waiting is True


async def test_notification_between_two_waits_is_not_lost(db: Database) -> None:
    await db.wait_for("outbox", 0)
    await db._wakeups._channels["outbox"].listening.wait()
    async with db.read() as conn:
        await conn.execute("SELECT pg_notify('outbox', '')")
        await conn.execute("SELECT pg_notify('other', '')")

    assert await db.wait_for("outbox", 10) is True
    assert await db.wait_for("outbox", 0) is False


async def test_wait_without_a_notification_ends_after_its_timeout(db: Database) -> None:
    assert await db.wait_for("outbox", 0.01) is False


async def test_a_listener_that_ends_while_it_connects_leaves_no_half_made_session(
    database_url: Callable[..., str],
) -> None:
    """The server would keep it until the login times out, and no database could be dropped meanwhile."""
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND coalesce(datname, current_database()) = current_database() AND pid <> pg_backend_pid()"
    )
    for attempt in range(20):
        async with Database(database_url(), name="leaving") as db:
            await db.wait_for("outbox", attempt * 0.0005)
    async with await psycopg.AsyncConnection.connect(database_url(), autocommit=True) as conn:
        for _ in range(100):
            [count] = await (await conn.execute(left)).fetchone() or [0]
            if not count:
                break
            await asyncio.sleep(0.02)
    assert count == 0
