"""After each story its database keeps every invariant, whatever the story was about.

And the stage of those whose database is lost: a treasury over a database of which there are copies.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.backups import Backups
from tests.support.money_out import Treasury, treasury
from tests.support.postgres import TestServer
from tests.support.soundness import wrong_rows


@pytest.fixture
def database_name(
    postgres_server: TestServer, database_name: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The test's database; judged when everybody has left it, just before it goes.

    A story marked `wrong("G7")` ends with rows that contradict that invariant, as its subject wants it.
    """
    yield database_name
    marker = request.node.get_closest_marker("wrong")
    found = wrong_rows(postgres_server.url_of(database_name))
    assert {row.split()[0] for row in found} == set(marker.args if marker else ()), found


@pytest.fixture
async def backups(postgres_server: TestServer, database_name: str) -> AsyncIterator[Backups]:
    """The story's database and its copies."""
    made = Backups(postgres_server, database_name)
    yield made
    await made.close()


@pytest.fixture
async def stage(backups: Backups, tmp_path: Path) -> AsyncIterator[Treasury]:
    """A treasury whose database can be lost; where none is, a file has a stage of its own."""
    async with treasury(backups.open, tmp_path) as built:
        yield built
