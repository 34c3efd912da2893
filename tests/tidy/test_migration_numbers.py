"""Migrations of a history stand in one line: each has a number of its own and follows the one before it."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.support.source import STORAGE

HISTORIES = sorted((STORAGE / "migrations").glob("*/versions"))


def out_of_line(versions: Path) -> list[str]:
    """What is wrong with a history: numbers taken twice or left out, names that lie, forks."""
    wrong = []
    files = sorted(versions.glob("*.py"))
    for at, path in enumerate(files, start=1):
        said = _said(path)
        expected = f"{at:04}", f"{at - 1:04}" if at > 1 else None
        if not path.name.startswith(f"{expected[0]}_") or said != expected:
            wrong.append(f"{path.name} says {said}, not {expected}")
    return wrong


def _said(path: Path) -> tuple[str | None, str | None]:
    """revision and down_revision."""
    values = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return values.get("revision"), values.get("down_revision")


def test_there_are_two_histories_of_migrations() -> None:
    assert [versions.parent.name for versions in HISTORIES] == ["bridge", "signer"]


@pytest.mark.parametrize("versions", HISTORIES, ids=lambda path: path.parent.name)
def test_each_migration_has_its_own_number_and_follows_the_one_before(versions: Path) -> None:
    assert out_of_line(versions) == []


@pytest.mark.parametrize("versions", HISTORIES, ids=lambda path: path.parent.name)
def test_two_migrations_of_one_number_are_noticed(versions: Path, tmp_path: Path) -> None:
    shutil.copytree(versions, tmp_path / "versions")
    newest = sorted((tmp_path / "versions").glob("*.py"))[-1]
    shutil.copy(newest, newest.with_name(f"{newest.name[:4]}_zz_landed_at_the_same_time.py"))

    assert len(out_of_line(tmp_path / "versions")) == 1


@pytest.mark.parametrize("versions", HISTORIES, ids=lambda path: path.parent.name)
def test_two_migrations_that_follow_the_same_one_are_noticed(versions: Path, tmp_path: Path) -> None:
    shutil.copytree(versions, tmp_path / "versions")
    newest = sorted((tmp_path / "versions").glob("*.py"))[-1]
    number = int(newest.name[:4])
    text = newest.read_text(encoding="utf-8").replace(
        f'revision = "{number:04}"', f'revision = "{number + 1:04}"'
    )
    (newest.parent / f"{number + 1:04}_landed_at_the_same_time.py").write_text(text, encoding="utf-8")

    assert len(out_of_line(tmp_path / "versions")) == 1
