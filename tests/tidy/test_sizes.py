"""Files and functions stay small. What is larger today is listed in sizes.toml, which may only shrink."""

import ast
import tomllib
from functools import cache
from pathlib import Path

from tests.support.source import ROOT, SRC, TESTS, python_files, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# Written from the OpenAPI document: as long as that has objects and operations.
GENERATED = {"src/bascule/client/objects.py", "src/bascule/client/resources.py"}

RATCHET = tomllib.loads((Path(__file__).parent / "sizes.toml").read_text(encoding="utf-8"))


@cache
def sizes() -> tuple[dict[str, int], dict[str, int]]:
    files, functions = {}, {}
    for path in (
        python_files(SRC)
        + python_files(TESTS)
        + sorted(SRC.rglob("*.sql"))
        + sorted(ROOT.glob("contracts/src/**/*.sol"))
    ):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        if (lines := text.count("\n")) > FILE_LINES_MAX and name not in GENERATED:
            files[name] = lines
        if path.suffix == ".py":
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert node.end_lineno is not None
                    if (lines := node.end_lineno - node.lineno + 1) > FUNCTION_LINES_MAX:
                        functions[f"{name}::{node.name}"] = lines
    return files, functions


def test_no_file_or_function_outgrows_its_bound() -> None:
    files, functions = sizes()

    assert {n: s for n, s in files.items() if s > RATCHET["files"].get(n, FILE_LINES_MAX)} == {}
    assert {n: s for n, s in functions.items() if s > RATCHET["functions"].get(n, FUNCTION_LINES_MAX)} == {}


def test_the_ratchet_lists_nothing_that_has_become_small() -> None:
    files, functions = sizes()

    assert set(RATCHET["files"]) <= set(files)
    assert set(RATCHET["functions"]) <= set(functions)
