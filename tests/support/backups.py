"""A treasury whose databases are lost and put back, from a copy or a dump: both, or one of them alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg

from bascule.storage.database import Database
from tests.support.money_out import Treasury
from tests.support.postgres import TestServer


class Backups:
    """The database of a story, and copies of it from earlier. The chain is never put back."""

    def __init__(self, server: TestServer, name: str) -> None:
        self._server, self._name, self._copies = server, name, 0
        self._opened: list[Database] = []

    async def open(self, role: str) -> Database:
        """A login of the database that lives; what `treasury` is built on."""
        made = await Database(self._server.url_of(self._name, role), name=role, pool_size=4).open()
        self._opened.append(made)
        return made

    async def take(self, stage: Treasury) -> str:
        """A backup; business goes on afterwards, in new processes."""
        await self._stop(stage)
        self._copies += 1
        copy = f"{self._name}_backup_{self._copies}"
        self._server.create(copy, template=self._name)
        await self._start(stage)
        return copy

    async def put_back(self, stage: Treasury, copy: str) -> None:
        """The living database is lost; the backup takes its place."""
        await self._stop(stage)
        self._server.drop(self._name)
        self._server.create(self._name, template=copy)
        await self._start(stage)

    async def dump(self, stage: Treasury, to: Path, *parts: str) -> Path:
        """What `pg_dump` writes of the living database, while business goes on. parts: its options.

        The watcher's lease is not in it, as nobody can wait here for its end.
        """
        await stage.watcher.release()
        await self._program("pg_dump", "-Fc", *parts, "-f", str(to), self._server.url_of(self._name))
        return to

    async def restore(self, stage: Treasury, dump: Path, *, signer: Path | None = None) -> None:
        """The living database is lost, `pg_restore` puts the dump in its place.

        signer: a dump of the signer's schema alone, which is the newer one: it was not lost.
        """
        await self._stop(stage)
        url = self._server.url_of(self._name)
        self._server.drop(self._name)
        self._server.create(self._name, "template0")
        await self._program("pg_restore", "--exit-on-error", "--dbname", url, str(dump))
        if signer is not None:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
                await conn.execute("DROP SCHEMA signer CASCADE")
            await self._program("pg_restore", "--exit-on-error", "--dbname", url, str(signer))
        await self._start(stage)

    async def _program(self, name: str, *words: str) -> None:
        """One of the programs the server is made of."""
        row = self._server.admin.execute("SELECT setting FROM pg_config() WHERE name = 'BINDIR'").fetchone()
        assert row is not None
        running = await asyncio.create_subprocess_exec(Path(str(row[0])) / name, *words)
        assert await running.wait() == 0, name

    async def close(self) -> None:
        """Nothing is open, no copy is left."""
        for database in self._opened:
            await database.close()
        self._opened.clear()
        for number in range(self._copies):
            self._server.drop(f"{self._name}_backup_{number + 1}")
        self._copies = 0

    async def _stop(self, stage: Treasury) -> None:
        await stage.watcher.release()
        await stage.clients.aclose()
        for database in self._opened:
            await database.close()
        self._opened.clear()

    async def _start(self, stage: Treasury) -> None:
        stage.owner, stage.api = await self.open("owner"), await self.open("api")
        stage.submitters_db, stage.signers_db = await self.open("submitter"), await self.open("signer")
        stage.restart_watcher(await self.open("watcher"))
        await stage.start_signer()
