"""Real PostgreSQL for tests: a throw-away server, and databases that are copies of a template."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bascule.storage.embedded import EmbeddedPostgres, ServerUrl, sweep_abandoned

PREFIX = "bascule-test-"
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
MEMORY_NEEDED = 2 << 30  # bytes; a database of tests is 10 MB


def fast_folder() -> Path:
    """Where throw-away data goes: memory when there is plenty (10 ms to copy a database; disk: up to 400)."""
    roomy = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_NEEDED
    return MEMORY_FOLDER if roomy and os.access(MEMORY_FOLDER, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """A folder that goes at the end. What killed runs left is removed first: nobody holds their lock."""
    home = fast_folder()
    sweep_abandoned(home, PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    folder.chmod(0o755)  # the server may run under another account
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def throwaway_server(bin_dir: Path | None = None) -> Iterator[ServerUrl]:
    """A volatile server in a folder of its own, both gone afterwards. Start it from the main thread."""
    with (
        throwaway_folder() as folder,
        EmbeddedPostgres(folder / "postgres", volatile=True, bin_dir=bin_dir) as url,
    ):
        yield url


def copy_database(admin: psycopg.Connection[tuple[object, ...]], name: str, template: str) -> None:
    """Makes `name` from `template`; FILE_COPY is three times faster than the log when fsync is off."""
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


def drop_database(admin: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Removes a database, whoever is still connected."""
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
