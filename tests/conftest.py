"""Fixtures every test may use: real databases, one per test."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count

import pytest
import structlog
import uvloop
from hypothesis import settings

from bascule.storage.database import Database
from tests.support.postgres import POSTGRES_15, TestServer, chosen_programs, migrated_server

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("bascule", deadline=None)
settings.load_profile("bascule")
gc.disable()  # until all tests are collected
_numbers = count(1)
# Each is one program of many seconds, where no cache of types stands yet up to a minute.
FIRST = {
    "test_types_hold_in_strict_mode",
    "test_importing_any_module_reads_and_opens_nothing",
    "test_import_contracts_are_kept",
}
FORKING = "tests/entrypoints/dev/test_supervisor.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first: at the end one worker would run them, and the others nothing.

    Then those that fork, while their process has one thread yet.
    """
    items.sort(key=lambda item: (item.name not in FIRST, not item.nodeid.startswith(FORKING)))


def pytest_collection_finish() -> None:
    """What collecting made stays to the end: the garbage collector need not look at it, then or later."""
    gc.freeze()
    gc.enable()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests turn in the loop that processes turn in (`wiring.run`); it is the quicker one as well."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def logs_stay_as_they_were() -> Iterator[None]:
    """A command that runs in our process sets up logs for its own life; the next test starts without them."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root = logging.getLogger()
        ours = [h for h in root.handlers if isinstance(h.formatter, structlog.stdlib.ProcessorFormatter)]
        root.handlers[:] = [h for h in root.handlers if h not in ours]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """The session's server (one per xdist worker)."""
    with migrated_server(chosen_programs()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[TestServer]:
    """A second server, with the oldest PostgreSQL we support; skips where that is not installed."""
    if not (POSTGRES_15 / "postgres").exists():
        pytest.skip(f"PostgreSQL 15 is not installed in {POSTGRES_15}")
    with migrated_server(POSTGRES_15) as server:
        yield server


@pytest.fixture
def database_name(postgres_server: TestServer) -> Iterator[str]:
    """A fresh database at the newest revision, gone after the test."""
    name = f"bascule_{next(_numbers)}"
    postgres_server.create(name)
    yield name
    postgres_server.drop(name)


@pytest.fixture
def database_url(postgres_server: TestServer, database_name: str) -> Callable[..., str]:
    """The test's database by role: `database_url("api")`; without a role as owner."""

    def url(role: str = "owner") -> str:
        return postgres_server.url_of(database_name, role)

    return url


@pytest.fixture
async def db_as(database_url: Callable[..., str]) -> AsyncIterator[Callable[[str], Awaitable[Database]]]:
    """Opens the test's database under a process's login: `db = await db_as("api")`; closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_as(role: str) -> Database:
            return await stack.enter_async_context(Database(database_url(role), name=role, pool_size=4))

        yield open_as


@pytest.fixture
async def db(db_as: Callable[[str], Awaitable[Database]]) -> Database:
    """The test's database as its owner."""
    return await db_as("owner")
