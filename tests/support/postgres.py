"""Real PostgreSQL for tests: a throw-away server per session, a database per test, copied from a template."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from bascule.entrypoints.testing.postgres import copy_database, drop_database, throwaway_server
from bascule.storage.embedded import ServerUrl
from bascule.storage.migrate import migrate
from bascule.storage.roles import ROLES, group_of

TEMPLATE = "template_bascule"
# Other programs than the embedded ones for a whole run, for example /usr/lib/postgresql/15/bin
BIN_VARIABLE = "BASCULE_TEST_POSTGRES_BIN"
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class TestServer:
    """A server with the migrated template and one login per process, shared by the databases of all tests."""

    __test__ = False
    url: ServerUrl
    admin: psycopg.Connection[tuple[object, ...]]
    secret: str

    def create(self, name: str, template: str = TEMPLATE) -> None:
        """A copy of the template."""
        copy_database(self.admin, name, template)

    def drop(self, name: str) -> None:
        """Removes a database, whoever is still connected."""
        drop_database(self.admin, name)

    def url_of(self, database: str, role: str = "owner") -> str:
        """The URL of a database as owner, or as the login of a process."""
        if role == "owner":
            return self.url.database(database)
        return self.url.database(database, user=f"test_{role}", password=self.secret)


@contextmanager
def migrated_server(bin_dir: Path | None = None) -> Iterator[TestServer]:
    """A throw-away server whose template database is at the newest revision."""
    with (
        throwaway_server(bin_dir) as url,
        psycopg.connect(url.database("postgres"), autocommit=True) as admin,
    ):
        server = TestServer(url, admin, secrets.token_urlsafe(16))
        server.create(TEMPLATE, "template0")
        asyncio.run(migrate(url.database(TEMPLATE)))
        _compact(url.database(TEMPLATE))
        _create_logins(server)
        yield server


def _compact(url: str) -> None:
    """Leaves in the catalogs what is true now: every copy carries, and every connection reads, the rest too.

    A hundred migrations leave a fifth of a catalog dead, and nothing of it marked as seen by all.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        grown = conn.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pg_catalog'::regnamespace"
            " AND NOT relisshared AND pg_relation_size(oid) > 16384"
        ).fetchall()
        for (name,) in grown:
            conn.execute(sql.SQL("VACUUM (FULL, FREEZE) pg_catalog.{}").format(sql.Identifier(str(name))))
    psycopg.connect(url).close()  # writes down, for every copy, what a connection reads first


def _create_logins(server: TestServer) -> None:
    """Logins for every test database at once: roles belong to the cluster, and tests must be fast."""
    if server.admin.info.server_version >= 160_000:  # a login costs 4,096 hashes on both sides otherwise
        server.admin.execute("SET scram_iterations = 1")
        server.admin.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(server.admin.info.user), server.admin.info.password
            )
        )
    for process in ROLES:
        server.admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(f"test_{process}"), server.secret, sql.Identifier(group_of(process))
            )
        )


def chosen_programs() -> Path | None:
    """The programs this run was told to use; None means the embedded ones."""
    return Path(os.environ[BIN_VARIABLE]) if os.environ.get(BIN_VARIABLE) else None
