"""Addresses in the configuration file: one block is ours, every other byte stays."""

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address, Hash
from bascule.entrypoints.contracts import recording
from bascule.settings.contracts import Deployed, deployments

VAULT = Deployed(1, "PayoutVault", Address(b"\x11" * 20), Hash(b"\xaa" * 32))
OTHER = Deployed(5, "DepositFactory", Address(b"\x22" * 20), Hash(b"\xbb" * 32))
OLD = Deployed(1, "PayoutVault", Address(b"\x33" * 20), Hash(b"\xcc" * 32))


def listed(text: str) -> list[Deployed]:
    return list(deployments(tomllib.loads(text)["deployments"]))


def test_first_block_goes_to_the_end_and_later_ones_to_its_place() -> None:
    text = "# mine\napi_port = 8000 # kept\n"

    first = recording.rewritten(text, [OLD])
    second = recording.rewritten(first + "\n# below\n", [VAULT, OTHER])

    assert first.startswith(text)
    assert listed(first) == [OLD]
    assert listed(second) == [VAULT, OTHER]
    assert second.startswith(text)
    assert second.endswith("\n# below\n")


LINES = st.lists(
    st.sampled_from(
        ["# a comment", "", "api_port = 8000", "  # indented", 'log_level = "info"', "lease_s=3"]
    ),
    unique=True,
)


@given(LINES, st.booleans())
def test_every_other_byte_stays_whatever_the_file_holds(lines: list[str], ended: bool) -> None:
    text = "\n".join(lines) + ("\n" if ended else "")

    made = recording.rewritten(recording.rewritten(text, [OLD]), [VAULT])

    head, _, rest = made.partition(recording.BEGIN)
    assert head.rstrip("\n") == text.rstrip("\n")
    assert rest.partition(recording.END)[2] == "\n"
    assert listed(made) == [VAULT]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[deployments]]\nchain = 1\n", "outside our block"),
        (recording.BEGIN + "\n[[deployments]]\n", "closing line"),
        (recording.BEGIN + "\n" + recording.END + "\napi_port = 1\n", "move it above the block"),
    ],
)
def test_file_that_cannot_take_the_block_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        recording.rewritten(text, [VAULT])


def test_written_file_is_replaced_whole_behind_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("api_port = 1\n")
    real.chmod(0o600)
    link.symlink_to(real)

    assert recording.write(link, [VAULT]) is True
    assert recording.write(link, [VAULT]) is False

    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert listed(real.read_text()) == [VAULT]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.toml", "real.toml"]


def test_refused_file_stays_as_it_is_with_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text(recording.BEGIN + "\n")

    with pytest.raises(ValueError, match="closing line"):
        recording.write(file, [VAULT])

    assert file.read_text() == recording.BEGIN + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["bascule.toml"]
