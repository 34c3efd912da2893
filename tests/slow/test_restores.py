"""Databases that are really put back: by dump into their own server, and as a copy of the data folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from bascule.entrypoints.remembering import log_seen
from bascule.entrypoints.testing.postgres import throwaway_folder
from bascule.services import restore
from bascule.services.restore import LogSeen, RestoreUnchecked
from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from tests.support.postgres import TestServer

pytestmark = pytest.mark.slow


def programs(server: TestServer) -> Path:
    """The folder of the programs that the server is made of."""
    row = server.admin.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
    assert row is not None
    return Path(str(row[0]))


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


async def require_known(url: str, seen: LogSeen | None = None) -> None:
    db = await Database(url, name="restored", pool_size=1).open()
    try:
        async with db.read() as conn:
            await restore.require_known(conn, seen)
    finally:
        await db.close()


async def test_dump_that_is_put_back_into_its_own_server_is_noticed(
    postgres_server: TestServer, database_name: str, tmp_path: Path
) -> None:
    url, bin_dir, dump = postgres_server.url_of(database_name), programs(postgres_server), tmp_path / "dump"
    await require_known(url)
    run(bin_dir / "pg_dump", "-Fc", "-f", dump, url)
    await require_known(url)

    postgres_server.drop(database_name)
    postgres_server.create(database_name, "template0")
    run(bin_dir / "pg_restore", "--dbname", url, dump)

    with pytest.raises(RestoreUnchecked, match="put back from a dump"):
        await require_known(url)


async def test_copy_of_the_data_folder_that_is_put_back_is_noticed_by_whoever_saw_more(
    tmp_path: Path,
) -> None:
    seen = log_seen(tmp_path)
    with throwaway_folder() as home:
        data, copy = home / "postgres", home / "copy"
        with EmbeddedPostgres(data, volatile=True) as server:
            with psycopg.connect(server.database("postgres"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE bridge")
            await migrate(server.database("bridge"))
        run("cp", "-a", data, copy)  # with its owner: the server may run under another account
        with EmbeddedPostgres(data, volatile=True) as server:
            url = server.database("bridge")
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute("CREATE TABLE business (n bigint)")
                conn.execute("INSERT INTO business SELECT generate_series(1, 100000)")
                conn.execute("CHECKPOINT")  # all of its log is on disk
            await require_known(url, seen)

        shutil.rmtree(data)
        copy.rename(data)
        with EmbeddedPostgres(data, volatile=True) as server:
            url = server.database("bridge")
            await require_known(url)  # who starts now has seen nothing
            for whose in (seen, log_seen(tmp_path)):  # but for what those before it have kept
                with pytest.raises(RestoreUnchecked, match="older files"):
                    await require_known(url, whose)
