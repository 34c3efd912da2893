"""Each table is written by its owner's file alone, and each state moves by `advance` alone."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.source import (
    Statement,
    all_statements,
    module_name,
    owned_tables,
    python_files,
    sql_files,
    tree,
)

WRITE = re.compile(
    r"\b(?:INSERT\s+INTO|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|COPY|MERGE\s+INTO"
    r"|(?<!FOR )(?<!FOR NO KEY )(?<!DO )UPDATE(?:\s+ONLY)?)\s+([a-z_.]+)",
    re.IGNORECASE,
)
SET_STATE = re.compile(
    r"\bSET\b(?:(?!\bWHERE\b|\bFROM\b).)*?(?:\bstate\s*=|\([^()]*\bstate\b[^()]*\)\s*=)",
    re.IGNORECASE | re.DOTALL,
)
# Innermost brackets that neither write nor name columns to be assigned: calls and subselects.
INNER = re.compile(r"\((?![^()]*\b(?:UPDATE|INSERT)\b)[^()]*\)(?!\s*=)", re.IGNORECASE)


def sets_state(text: str) -> bool:
    """Whether a statement assigns a state column; a subselect's own WHERE does not end the search."""
    while (shorter := INNER.sub("0", text)) != text:
        text = shorter
    return SET_STATE.search(text) is not None


def written_tables(statement: Statement) -> set[str]:
    return {t.lower() for t in WRITE.findall(statement.text)} - {"of", "skip", "nowait", "set"}


def test_each_file_names_its_tables_and_stands_beside_its_module() -> None:
    for path in sql_files():
        assert path.with_suffix(".py").exists(), f"{path.name} has no module of the same name"
        assert "-- tables:" in path.read_text(encoding="utf-8"), f"{path.name} must open with `-- tables: …`"


def test_each_table_has_one_owner() -> None:
    owners: dict[str, str] = {}
    for path in sql_files():
        for table in owned_tables(path):
            assert table not in owners, f"{table} is claimed by {owners[table]} and {path.name}"
            owners[table] = path.name


def test_each_statement_writes_only_tables_its_file_owns() -> None:
    owned = {path: owned_tables(path) for path in sql_files()}
    foreign = {s.label: written_tables(s) - owned[s.file] for s in all_statements()}

    assert {label: tables for label, tables in foreign.items() if tables} == {}


def test_state_moves_only_in_a_query_named_advance() -> None:
    others = [s for s in all_statements() if not s.name.startswith("advance")]

    assert [s.label for s in others if sets_state(s.text)] == [], "these set a state column"


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE payouts SET version = version + 1, state = %(s)s WHERE id = 1",
        "UPDATE payouts SET (version, state) = (1, %(s)s) WHERE id = 1",
        "UPDATE payouts SET version = (SELECT max(n) FROM lanes WHERE id = 1), state = 'paid'",
        "WITH a AS (UPDATE payouts SET state = 'paid' WHERE id = 1 RETURNING id) SELECT id FROM a",
    ],
)
def test_the_rule_finds_a_state_that_is_set(text: str) -> None:
    assert sets_state(text)


def test_advance_names_the_state_it_leaves() -> None:
    advancing = [s for s in all_statements() if s.name.startswith("advance") and sets_state(s.text)]
    assert advancing
    for statement in advancing:
        where = statement.text.upper().split("WHERE", 1)
        assert len(where) == 2, f"{statement.label} advances without a WHERE"
        assert re.search(r"\bSTATE\b", where[1]), f"{statement.label} does not say which state it leaves"


def test_no_statement_deletes() -> None:
    deletes = re.compile(r"\b(DELETE\s+FROM|TRUNCATE)\b", re.IGNORECASE)

    assert [s.label for s in all_statements() if deletes.search(s.text)] == []


SQL_TEXT = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s", re.IGNORECASE)
# These speak about the server itself (roles, migrations, readiness), not about our tables.
SQL_IN_PYTHON = tuple(
    f"bascule.storage.{name}"
    for name in ("database", "embedded", "migrate", "migrations", "queries", "roles")
)


def lines_with_sql(path: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_TEXT.match(node.value)
        and re.search(r"\b(FROM|INTO|SET|VALUES)\b", node.value)
    ]  # fmt: skip


def test_statements_live_in_sql_files() -> None:
    modules = {module_name(path): path for path in python_files()}
    found = {
        name: lines_with_sql(path) for name, path in modules.items() if not name.startswith(SQL_IN_PYTHON)
    }

    assert {name: lines for name, lines in found.items() if lines} == {}
