"""A test's name is a sentence about the system."""

import ast
import re
from pathlib import Path

from tests.support.source import ROOT, TESTS, python_files, tree

FLOORS = {"domain", "storage", "chain", "signing", "services", "entrypoints"}
FOLDERS = (
    FLOORS
    | {
        "client",
        "clients",
        "contracts",
        "migrations",
        "scenarios",
        "settings",
        "simulation",
        "slow",
        "terraform",
    }
    | {"thirdparty", "tidy"}
)
WORDS_MIN = 4  # "test" and at least three more: who, does, what


def names_in(path: Path) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def files_of_tests() -> list[Path]:
    return [path for path in python_files(TESTS) if path.name.startswith("test_")]


def test_every_test_name_is_a_sentence() -> None:
    names = [(str(path.relative_to(ROOT)), name) for path in files_of_tests() for name in names_in(path)]
    assert names

    assert [(path, name) for path, name in names if len([w for w in name.split("_") if w]) < WORDS_MIN] == []


def test_every_test_file_stands_where_its_subject_stands() -> None:
    """A floor's tests stand under the floor's name; stories have folders of their own."""
    places = [path.relative_to(TESTS) for path in files_of_tests()]

    assert [str(place) for place in places if place.parts[0] not in FOLDERS] == []


def test_every_test_that_the_page_of_the_merchants_api_names_is_there() -> None:
    page = (ROOT / "docs" / "design" / "0030-merchants-api.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(test_[a-z0-9_]+)`", page))
    assert len(told) >= 20

    assert told - {name for path in files_of_tests() for name in names_in(path)} == set()
