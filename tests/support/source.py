"""The source tree as data, for the tidy tests: modules, syntax trees and SQL files."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bascule.storage.queries import Query, parse

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "bascule"
TESTS = ROOT / "tests"
STORAGE = SRC / "storage"
NOT_OURS = {"__pycache__", "node_modules"}


def python_files(folder: Path = SRC) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if NOT_OURS.isdisjoint(p.parts))


def module_name(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax; many rules read the same files, so nobody changes what is handed out."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def functions(path: Path) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
    """Every function of a file, also those inside others."""
    return tuple(
        node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """One named query of one .sql file, comments stripped."""

    file: Path
    name: str
    text: str
    query: Query

    @property
    def label(self) -> str:
        return f"{self.file.name}:{self.name}"


def sql_files() -> list[Path]:
    return sorted(p for p in STORAGE.rglob("*.sql") if "migrations" not in p.parts)


def owned_tables(path: Path) -> set[str]:
    """The tables a file's header says it writes."""
    return set(parse(path.read_text(encoding="utf-8"), source=path.name).tables)


def statements(path: Path) -> Iterator[Statement]:
    for query in parse(path.read_text(encoding="utf-8"), source=path.name).queries.values():
        lines = [line for line in query.text.splitlines() if not line.lstrip().startswith("--")]
        yield Statement(
            path, query.name, re.sub(r"\s--\s.*$", "", "\n".join(lines), flags=re.MULTILINE), query
        )


@cache
def all_statements() -> tuple[Statement, ...]:
    return tuple(s for path in sql_files() for s in statements(path))
