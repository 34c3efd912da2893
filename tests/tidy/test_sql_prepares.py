"""Every named query prepares against the migrated schema, on the newest and the oldest PostgreSQL."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.postgres import TEMPLATE, TestServer
from tests.support.source import Statement, all_statements

# LISTEN and COPY cannot be prepared; the others set up roles and speak about the server, not our tables.
UNPREPARABLE = ("LISTEN", "COPY", "CREATE", "GRANT", "REVOKE", "ALTER", "SET")
PREPARABLE = [s for s in all_statements() if not s.text.lstrip().upper().startswith(UNPREPARABLE)]


def preparing(server: TestServer, name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    server.create(name)
    with psycopg.connect(server.url_of(name), autocommit=True) as conn:
        for statement in all_statements():
            if statement.text.lstrip().upper().startswith("CREATE TEMPORARY"):
                conn.execute(statement.text.encode())
        yield conn
    server.drop(name)


@pytest.fixture(scope="module")
def newest(postgres_server: TestServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    yield from preparing(postgres_server, "prepares_newest")


@pytest.fixture(scope="module")
def oldest(postgres_15: TestServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    yield from preparing(postgres_15, "prepares_oldest")


def prepare(conn: psycopg.Connection[tuple[object, ...]], statement: Statement) -> None:
    try:
        conn.execute(f"PREPARE q AS {statement.query.numbered()}")
        conn.execute("DEALLOCATE q")
    except psycopg.Error as error:
        pytest.fail(f"{statement.label}: {error}")


@pytest.mark.parametrize("statement", PREPARABLE, ids=lambda s: s.label)
def test_query_prepares_on_the_newest_postgresql(
    newest: psycopg.Connection[tuple[object, ...]], statement: Statement
) -> None:
    prepare(newest, statement)


def test_every_query_prepares_on_the_oldest_postgresql(
    oldest: psycopg.Connection[tuple[object, ...]],
) -> None:
    for statement in PREPARABLE:
        prepare(oldest, statement)


def test_template_stands_at_the_newest_revision(postgres_server: TestServer) -> None:
    with psycopg.connect(postgres_server.url_of(TEMPLATE)) as conn:
        assert conn.execute("SELECT version_num FROM alembic_bridge").fetchone() is not None
