"""An empty database of this version's schema, beside another one, that is gone when the work is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import errors, sql

from bascule.domain.errors import Conflict, Halted, Retryable
from bascule.storage.database import Connection, Database, Timeouts
from bascule.storage.migrate import migrate
from bascule.storage.queries import Queries

_Q = Queries("scratch", package=__package__)

SUFFIX = "_rebuild"
MARK = "made by `bascule ledger rebuild`, which drops it"
PATIENT = Timeouts(statement=3_600_000, lock=60_000, idle_in_transaction=3_600_000)


@asynccontextmanager
async def scratch(url: str) -> AsyncIterator[Database]:
    """The database `<name>_rebuild` on the server of `url`, empty; dropped at the end. One connection.

    Raises: Conflict while somebody works in it; Halted where the login may create no database, or one of that
    name is there that no rebuild made; Retryable.
    """
    place = urlsplit(url)
    name = unquote(place.path.removeprefix("/")) + SUFFIX
    made = place._replace(path="/" + quote(name, safe="")).geturl()
    async with _claimed(url):
        async with _asked(url) as admin:
            await _drop(admin, name)
            await admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            await admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), MARK))
        try:
            await migrate(made, "bridge")
            async with opened(made) as db:
                yield db
        finally:
            async with _asked(url) as admin:
                await _drop(admin, name)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database whose work may take hours, on one connection, as temporary tables want it."""
    async with Database(url, name="bascule rebuild", pool_size=1, timeouts=PATIENT) as db:
        async with db.read() as conn:
            await conn.execute("SET synchronous_commit = off")
        yield db


@asynccontextmanager
async def _claimed(url: str) -> AsyncIterator[None]:
    """Nobody else rebuilds meanwhile: between two statements of ours a second one would take our database."""
    async with await _connected(url) as conn:
        if not (await _Q.one(conn, "claim"))["claimed"]:
            raise Conflict("rebuild_running", "another rebuild of these books runs")
        yield


@asynccontextmanager
async def _asked(url: str) -> AsyncIterator[Connection]:
    try:
        async with await _connected(url) as conn:
            yield conn
    except errors.InsufficientPrivilege:
        raise Halted("the owner's database login may create no database: ALTER ROLE … CREATEDB") from None
    except (errors.ObjectInUse, errors.DuplicateDatabase, errors.UniqueViolation):
        raise Conflict("rebuild_running", "another rebuild works in its database") from None


async def _connected(url: str) -> Connection:
    try:
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise Retryable(f"the database does not answer: {' '.join(str(error).split())}") from None


async def _drop(admin: Connection, name: str) -> None:
    """What a rebuild made, and nothing else."""
    found = await _Q.maybe(admin, "mark", name=name)
    if found is not None and found["mark"] != MARK:
        raise Halted(f"the database {name} was made by no rebuild: rename it, or drop it if nobody needs it")
    await admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
