"""A test's name is a sentence about the system."""

import ast
from pathlib import Path

import pytest

from tests.support.source import ROOT, TESTS, python_files

FLOORS = {"domain", "storage", "chain", "signing", "services", "entrypoints"}
FOLDERS = (
    FLOORS
    | {"clients", "contracts", "migrations", "scenarios", "settings", "simulation", "slow", "terraform"}
    | {"thirdparty", "tidy"}
)
WORDS_MIN = 4  # "test" and at least three more: who, does, what


def names_in(path: Path) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


@pytest.mark.parametrize(
    "path",
    [p for p in python_files(TESTS) if p.name.startswith("test_")],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_test_name_is_a_sentence(path: Path) -> None:
    short = [name for name in names_in(path) if len([w for w in name.split("_") if w]) < WORDS_MIN]

    assert short == []


@pytest.mark.parametrize(
    "path",
    [p for p in python_files(TESTS) if p.name.startswith("test_")],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_every_test_file_stands_where_its_subject_stands(path: Path) -> None:
    """A floor's tests stand under the floor's name; stories have folders of their own."""
    folder = path.relative_to(TESTS).parts[0]
    assert folder in FOLDERS
