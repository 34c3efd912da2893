"""Brings a database to the schema this version of the code needs. Forward only.

There are two histories: `bridge` (schemas public and ledger) and `signer` (schema signer, possibly in
another database). A history is applied in one transaction under an advisory lock: it happens wholly or not at
all, and once however many processes try. The statements are in `.sql` files beside thin revision modules.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bascule.domain.errors import Halted, Retryable
from bascule.storage.database import Connection, Database
from bascule.storage.queries import Queries
from bascule.storage.roles import ensure_groups

Part = Literal["bridge", "signer"]
PARTS: Final[tuple[Part, ...]] = ("bridge", "signer")
LOCK_KEY: Final = 0x6261_7363_756C_65  # "bascule": the advisory lock of every migration
LOCK_TIMEOUT: Final = "30s"
STATEMENT_TIMEOUT: Final = "10min"
Q = Queries("migrate")
_one_at_a_time = threading.Lock()  # Alembic keeps its context in module variables


@dataclass(frozen=True)
class History:
    """Where a part's revisions and its version table are."""

    part: Part
    schema: str
    table: str

    @property
    def folder(self) -> Path:
        """The folder Alembic calls its script location."""
        return Path(__file__).parent / "migrations" / self.part


HISTORIES: Final[dict[Part, History]] = {
    "bridge": History("bridge", "public", "alembic_bridge"),
    "signer": History("signer", "signer", "alembic_version"),
}


async def migrate(url: str, part: Part | Literal["all"] = "all") -> None:
    """Applies what is missing; does nothing when the schema is current.

    The login must be allowed to create roles and schemas. Halted when a statement of ours fails, Retryable
    when the database does not answer or another migration holds the lock for too long.
    """
    parts: Sequence[Part] = PARTS if part == "all" else (part,)
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as conn:
            await ensure_groups(conn)
    except psycopg.OperationalError as error:
        raise Retryable(f"the database does not answer: {' '.join(str(error).split())}") from None
    for each in parts:
        await asyncio.to_thread(_upgrade, url, HISTORIES[each])


@cache
def head(part: Part) -> str:
    """The newest revision this version of the code knows."""
    revision = _scripts(HISTORIES[part]).get_current_head()
    assert revision is not None
    return str(revision)


async def current(conn: Connection, part: Part) -> str | None:
    """The revision the database is at; None when the part was never applied, or is hidden from this login."""
    history = HISTORIES[part]
    if not await Q.scalar(conn, "has_version_table", schema=history.schema, table=history.table):
        return None
    revision = await Q.scalar(conn, f"{part}_revision")
    return None if revision is None else str(revision)


async def require_schema(db: Database, part: Part = "bridge") -> None:
    """Halted with what to do unless the database is exactly at this code's revision."""
    async with db.read() as conn:
        found = await current(conn, part)
    if found == head(part):
        return
    if found is None or any(
        script.revision == found for script in _scripts(HISTORIES[part]).walk_revisions()
    ):
        raise Halted(
            f"the {part} schema is at {found or 'nothing'}, {head(part)} is needed: run bascule migrate"
        )
    raise Halted(f"the {part} schema is at {found}, which is newer than this version of bascule")


def run_sql_beside(revision_file: str) -> None:
    """Executes the `.sql` file of the same name as a revision module; for use in `upgrade()` alone."""
    from alembic import op

    path = Path(revision_file).with_suffix(".sql")
    text = path.read_text(encoding="utf-8")
    raw = op.get_bind().connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    try:
        raw.execute(text.encode())
    except psycopg.Error as error:
        position = error.diag.statement_position
        line = text.count("\n", 0, int(position) - 1) + 1 if position else "?"
        raise Halted(f"{path.name} line {line}: {' '.join(str(error).split())}") from error


def _scripts(history: History) -> Any:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(history.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _upgrade(url: str, history: History) -> None:
    """Alembic is synchronous; this runs in a thread of its own."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import NullPool

    scripts = _scripts(history)
    engine = create_engine(
        urlunsplit(urlsplit(url)._replace(scheme="postgresql+psycopg")), poolclass=NullPool
    )
    environment = EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _context: scripts._upgrade_revs("head", revision),
        destination_rev="head",
    )
    try:
        with _one_at_a_time, engine.begin() as connection, environment:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})"))
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {history.schema}"))
            environment.configure(
                connection=connection, version_table=history.table, version_table_schema=history.schema
            )
            environment.run_migrations()
    except OperationalError as error:
        raise Retryable(f"the migration has to wait: {' '.join(str(error.orig).split())}") from None
    finally:
        engine.dispose()
