"""The data folder: only ours, one at a time, secrets made once and kept from others."""

import stat
import tomllib
from pathlib import Path

import pytest

from bascule.entrypoints.dev.installation import SOCKET_PATH_LIMIT, FolderRefused, Installation, toml


def opened(folder: Path, *, fresh: bool = False) -> Installation:
    installation = Installation(folder)
    installation.open(fresh=fresh)
    return installation


def test_folder_with_other_files_is_refused_even_when_fresh(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(FolderRefused, match="files that bascule did not make"):
        opened(tmp_path, fresh=True)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_folder_in_use_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    first = opened(tmp_path / "data")
    with pytest.raises(FolderRefused, match="another bascule runs"):
        opened(tmp_path / "data", fresh=True)
    first.close()

    opened(tmp_path / "data").close()


def test_secrets_are_the_same_at_every_start_until_fresh(tmp_path: Path) -> None:
    first = opened(tmp_path / "data")
    made = first.secrets()
    first.close()
    second = opened(tmp_path / "data")
    assert second.secrets() == made
    second.close()

    third = opened(tmp_path / "data", fresh=True)
    assert third.secrets() != made
    third.close()


def test_secrets_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    installation = opened(tmp_path / "data")
    installation.secrets()

    assert stat.S_IMODE((installation.folder / "secrets.json").stat().st_mode) == 0o600
    installation.close()


def test_what_was_remembered_first_stays(tmp_path: Path) -> None:
    installation = opened(tmp_path / "data")

    assert installation.recall("network") is None
    assert installation.remember("network", {"chain_id": 1}) == {"chain_id": 1}
    assert installation.remember("network", {"chain_id": 2}) == {"chain_id": 1}
    assert installation.recall("network") == {"chain_id": 1}
    installation.close()


def test_socket_of_a_deep_folder_has_a_short_path_while_it_is_open(tmp_path: Path) -> None:
    deep = opened(tmp_path / ("deep" * 30))

    socket = deep.socket()

    assert len(str(deep.folder)) > SOCKET_PATH_LIMIT >= len(str(socket))
    assert socket == Installation(deep.folder).socket()
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    deep.close()
    assert not socket.parent.exists()
    assert Installation(tmp_path / "data").socket() == tmp_path / "data" / "signer.sock"


def test_written_configuration_is_read_back_the_same() -> None:
    values = {
        "api_port": 8000,
        "ratio": 0.5,
        "flag": True,
        "text": 'quoted "and" \\ slashed',
        "chains": [{"id": 1, "rpc": [{"url": "http://a"}]}, {"id": 2, "rpc": [{"url": "http://b"}]}],
    }

    assert tomllib.loads(toml(values)) == values
