import asyncio
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage import migrate as migrations
from bascule.storage.database import Database
from bascule.storage.migrate import HISTORIES, PARTS, Part, current, head, migrate, require_schema
from tests.support.postgres import TEMPLATE, TestServer


@pytest.fixture
def empty_url(postgres_server: TestServer) -> Iterator[str]:
    postgres_server.create("migrated", "template0")
    yield postgres_server.url_of("migrated")
    postgres_server.drop("migrated")


async def ask(url: str, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        row = await (await conn.execute(statement.encode())).fetchone()
        return row[0] if row else None


async def version_of(server: TestServer) -> tuple[int, list[str | None]]:
    async with Database(server.url_of(TEMPLATE)) as database:
        async with database.read() as conn:
            found = [await current(conn, part) for part in PARTS]
            row = await (await conn.execute("SHOW server_version_num")).fetchone()
        for part in PARTS:
            await require_schema(database, part)
    assert row is not None
    return int(row[0]) // 10_000, found


async def test_empty_database_comes_to_head_on_the_newest_postgres(postgres_server: TestServer) -> None:
    _, found = await version_of(postgres_server)

    assert found == [head("bridge"), head("signer")]


async def test_empty_database_comes_to_head_on_the_oldest_postgres(postgres_15: TestServer) -> None:
    version, found = await version_of(postgres_15)

    assert version == 15
    assert found == [head("bridge"), head("signer")]


async def test_migrating_again_changes_nothing(empty_url: str) -> None:
    await migrate(empty_url)
    count = "SELECT count(*) FROM pg_class"
    before = await ask(empty_url, count)

    await migrate(empty_url)

    assert await ask(empty_url, count) == before


@pytest.mark.slow
async def test_migrations_at_the_same_time_apply_once(empty_url: str) -> None:
    program = (
        "import asyncio, sys; from bascule.storage.migrate import migrate as m; asyncio.run(m(sys.argv[1]))"
    )
    runs = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url) for _ in range(3)]

    codes = await asyncio.gather(*(run.wait() for run in runs), migrate(empty_url), migrate(empty_url))
    assert codes[:3] == [0, 0, 0]

    assert await ask(empty_url, "SELECT count(*) FROM alembic_bridge") == 1
    assert await ask(empty_url, "SELECT version_num FROM alembic_bridge") == head("bridge")


async def test_each_part_can_live_in_its_own_database(empty_url: str) -> None:
    await migrate(empty_url, "signer")

    assert await ask(empty_url, "SELECT to_regclass('signer.items')") is not None
    assert await ask(empty_url, "SELECT to_regclass('public.payouts')") is None
    async with Database(empty_url) as database:
        await require_schema(database, "signer")
        with pytest.raises(Halted, match=r"bridge schema is at nothing, .* run bascule migrate"):
            await require_schema(database, "bridge")


@pytest.mark.parametrize("part", PARTS)
async def test_process_refuses_a_schema_that_is_behind_or_ahead(empty_url: str, part: Part) -> None:
    await migrate(empty_url)
    history = HISTORIES[part]
    table = f"{history.schema}.{history.table}"
    async with Database(empty_url) as database:
        async with database.read() as conn:
            await conn.execute(f"UPDATE {table} SET version_num = 'from_the_future'".encode())
        with pytest.raises(Halted, match="newer than this version"):
            await require_schema(database, part)
        async with database.read() as conn:
            await conn.execute(f"DELETE FROM {table}".encode())
        with pytest.raises(Halted, match="run bascule migrate"):
            await require_schema(database, part)


async def test_every_process_can_check_its_schema(database_url: Callable[..., str]) -> None:
    for process in ("api", "watcher", "submitter", "worker"):
        async with Database(database_url(process)) as database:
            await require_schema(database)
    async with Database(database_url("signer")) as database:
        await require_schema(database, "signer")
        with pytest.raises(Halted):
            await require_schema(database, "bridge")


async def test_failed_migration_leaves_nothing_behind(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await psycopg.AsyncConnection.connect(empty_url, autocommit=True) as conn:
        await conn.execute("CREATE SCHEMA ledger")

    with pytest.raises(Halted, match=r"0004_create_ledger\.sql line \S+: schema .ledger. already exists"):
        await migrate(empty_url, "bridge")
    assert await ask(empty_url, "SELECT to_regclass('public.payouts')") is None


async def test_migration_that_waits_too_long_for_its_lock_is_retryable(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "20ms")
    async with await psycopg.AsyncConnection.connect(empty_url) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [migrations.LOCK_KEY])
        with pytest.raises(Retryable, match="has to wait"):
            await migrate(empty_url)


async def test_absent_server_is_one_line() -> None:
    with pytest.raises(Retryable, match=r"^the database does not answer: [^\n]+$"):
        await migrate("postgresql://x:y@/z?host=/nowhere")
