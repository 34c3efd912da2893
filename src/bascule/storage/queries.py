"""The hand-written statements of the `.sql` file beside a module, by name.

A file reads:

    -- tables: blocks, cursors          the tables this file may write (once, at the top; may be empty)

    -- name: canonical_at
    -- The canonical block at a height, if we have it.
    SELECT … WHERE chain_id = %(chain_id)s AND number = %(number)s

Every query has a description. Parameters are psycopg's named placeholders; a literal per cent sign is `%%`.
Rows come back as dictionaries by column name.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from bascule.storage.database import Connection
from bascule.storage.statements import Answer, Row, Statement, ahead, execute

__all__ = ["MANY", "Queries", "Query", "QueryError", "QueryFile", "Row", "parse"]

MANY = 50  # rows that take longer to become objects than another statement to be sent
_NAME = re.compile(r"^-- name: *(.*)$")
_TABLES = re.compile(r"^-- tables: *(.*)$")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%|%")
_IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]*$")


class QueryError(RuntimeError):
    """Our own mistake: a malformed file, an unknown name, wrong parameters, an unexpected number of rows."""


@dataclass(frozen=True)
class Query:
    """One named statement."""

    name: str
    description: str
    text: str
    parameters: frozenset[str]

    def numbered(self) -> str:
        """The statement with $1, $2 … instead of names (sorted), as PREPARE wants it."""
        order = {name: f"${n}" for n, name in enumerate(sorted(self.parameters), 1)}
        return _PLACEHOLDER.sub(lambda m: order[m[1]] if m[1] else "%", self.text)

    def statement(self) -> Statement:
        """What is sent to the server."""
        return Statement(self.numbered().encode(), tuple(sorted(self.parameters)))


@dataclass(frozen=True)
class QueryFile:
    """A parsed file: the tables it owns and its queries by name."""

    tables: tuple[str, ...]
    queries: dict[str, Query]


def parse(text: str, *, source: str) -> QueryFile:
    """The queries of a file's text; QueryError names the file and what is wrong with it."""
    head, *sections = re.split(r"^(?=-- name:)", text, flags=re.MULTILINE)
    declared = [match[1] for line in head.splitlines() if (match := _TABLES.match(line))]
    if len(declared) != 1:
        raise QueryError(f"{source}: one '-- tables:' line is needed at the top, {len(declared)} found")
    tables = tuple(name.strip() for name in declared[0].split(",") if name.strip())
    queries: dict[str, Query] = {}
    for section in sections:
        query = _parse_section(section, source)
        if query.name in queries:
            raise QueryError(f"{source}: two queries are named {query.name}")
        queries[query.name] = query
    return QueryFile(tables, queries)


def _parse_section(section: str, source: str) -> Query:
    title, *lines = section.strip().splitlines()
    match = _NAME.match(title)
    name = match[1].strip() if match else ""
    if not _IDENTIFIER.match(name):
        raise QueryError(f"{source}: {title!r} does not name a query")
    comments = 0
    while comments < len(lines) and lines[comments].startswith("--"):
        comments += 1
    description = " ".join(line.removeprefix("--").strip() for line in lines[:comments]).strip()
    statement = "\n".join(lines[comments:]).strip().removesuffix(";").rstrip()
    if not description or not statement:
        raise QueryError(f"{source}: {name} needs a description and a statement")
    parameters = set()
    for found in _PLACEHOLDER.finditer(statement):
        if found[0] == "%":
            raise QueryError(f"{source}: {name} has a lone per cent sign; write %%")
        if found[1]:
            parameters.add(found[1])
    return Query(name, description, statement, frozenset(parameters))


class Queries:
    """The queries of `<noun>.sql` in `package`; the file is read at the first use."""

    def __init__(self, noun: str, *, package: str = "bascule.storage") -> None:
        self.noun = noun
        self._package = package

    @cached_property
    def file(self) -> QueryFile:
        """The parsed file."""
        name = f"{self.noun}.sql"
        return parse(files(self._package).joinpath(name).read_text(encoding="utf-8"), source=name)

    @cached_property
    def _statements(self) -> dict[str, Statement]:
        return {name: query.statement() for name, query in self.file.queries.items()}

    async def one(self, conn: Connection, name: str, /, **params: object) -> Row:
        """The only row; QueryError when there is none or there are several."""
        row = await self.maybe(conn, name, **params)
        if row is None:
            raise QueryError(f"{self.noun}.{name}: one row expected, none found")
        return row

    async def maybe(self, conn: Connection, name: str, /, **params: object) -> Row | None:
        """The only row, or None; QueryError when there are several."""
        rows = await self.all(conn, name, **params)
        if len(rows) > 1:
            raise QueryError(f"{self.noun}.{name}: at most one row expected, {len(rows)} found")
        return rows[0] if rows else None

    async def all(self, conn: Connection, name: str, /, **params: object) -> list[Row]:
        """Every row, in the statement's order."""
        answer = await execute(conn, self._checked(name, params), params)
        if answer.count > MANY:
            await asyncio.sleep(0)  # who waits for the connection sends; the database works meanwhile
        return answer.dicts()

    async def tuples(self, conn: Connection, name: str, /, **params: object) -> list[tuple[Any, ...]]:
        """Every row as a tuple, in the statement's order of columns: for many rows, of which each costs."""
        answer = await execute(conn, self._checked(name, params), params)
        if answer.count > MANY:
            await asyncio.sleep(0)
        return answer.tuples()

    async def scalar(self, conn: Connection, name: str, /, **params: object) -> Any:
        """The first column of the only row, or None when there is no row."""
        row = await self.maybe(conn, name, **params)
        return None if row is None else next(iter(row.values()))

    async def run(self, conn: Connection, name: str, /, **params: object) -> int:
        """How many rows the statement changed (or found)."""
        return (await execute(conn, self._checked(name, params), params)).count

    def ahead(
        self, conn: Connection, name: str, check: Callable[[Answer], None], /, **params: object
    ) -> AbstractAsyncContextManager[None]:
        """The statement goes along with the first one of the block; as `statements.ahead`."""
        return ahead(conn, self._checked(name, params), params, check)

    async def copy(self, conn: Connection, name: str, rows: str | bytes) -> None:
        """Sends rows to a COPY … FROM STDIN, in its format."""
        async with conn.cursor() as cursor, cursor.copy(self.file.queries[name].text.encode()) as copy:
            await copy.write(rows)

    def _checked(self, name: str, params: dict[str, object]) -> Statement:
        query = self.file.queries.get(name)
        if query is None:
            raise QueryError(f"{self.noun}.sql has no query named {name}")
        if query.parameters != params.keys():
            missing = sorted(query.parameters - params.keys())
            extra = sorted(params.keys() - query.parameters)
            raise QueryError(f"{self.noun}.{name}: missing parameters {missing}, unknown parameters {extra}")
        return self._statements[name]
