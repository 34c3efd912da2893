"""After each story its database keeps every invariant, whatever the story was about."""

from collections.abc import Iterator

import pytest

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
