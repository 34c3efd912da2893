"""A site: configuration file, nodes, command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.site import DEPLOYER, Nodes, Site, nodes


@pytest.fixture
def running() -> Iterator[Nodes]:
    with nodes() as made:
        yield made


@pytest.fixture
def site(
    running: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_CONFIG", str(tmp_path / "bascule.toml"))
    monkeypatch.setenv("BASCULE_DEPLOYER_KEY", DEPLOYER.private_key)
    return Site(running, tmp_path / "bascule.toml", capsys)
