"""What strangers' clients are pointed at, and how their packages from npm come here."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import npm
from tests.support.api import OpenAs, Shop, open_shop


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """An installation with two merchants, whose clock says now: clients hold signatures against theirs."""
    made = await open_shop(db_as)
    made.clock.advance((datetime.now(UTC) - made.clock.now()).total_seconds())
    return made


@pytest.fixture(scope="session")
def npm_package(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Installs `tests/thirdparty/npm/<name>` in a temporary folder, once a session; gives the folder."""
    places: dict[str, Path] = {}

    def installed(name: str) -> Path:
        if name not in places:
            places[name] = npm.install(name, tmp_path_factory.mktemp("npm"))
        return places[name]

    return installed
