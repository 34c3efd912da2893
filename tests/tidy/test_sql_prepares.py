"""Every named query prepares against the migrated schema, on the newest and the oldest PostgreSQL."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.postgres import TEMPLATE, TestServer
from tests.support.source import all_statements

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


def refusals(conn: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    """What the server says of each statement that it does not prepare, by the statement's label."""
    refused = {}
    for number, statement in enumerate(PREPARABLE):
        try:
            conn.execute(f"PREPARE q{number} AS {statement.query.numbered()}")
        except psycopg.Error as error:
            refused[statement.label] = str(error)
    return refused


def test_every_query_prepares_on_the_newest_postgresql(
    newest: psycopg.Connection[tuple[object, ...]],
) -> None:
    assert refusals(newest) == {}


def test_every_query_prepares_on_the_oldest_postgresql(
    oldest: psycopg.Connection[tuple[object, ...]],
) -> None:
    assert refusals(oldest) == {}


def test_template_stands_at_the_newest_revision(postgres_server: TestServer) -> None:
    with psycopg.connect(postgres_server.url_of(TEMPLATE)) as conn:
        assert conn.execute("SELECT version_num FROM alembic_bridge").fetchone() is not None
