"""A treasury whose databases are lost and put back from a copy: all of them, or the signer's memory alone."""

from __future__ import annotations

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
