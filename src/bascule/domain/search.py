"""Search queries as Stripe writes them: `status:"succeeded" AND metadata["order"]:"6735"`.

Clauses are joined by AND (or a blank) or by OR, never by both; a minus before a clause negates it. Words are
quoted singly or doubly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bascule.domain.errors import Rejected

Operator = Literal[":", "<", "<=", ">", ">="]
CLAUSES_MAX: Final = 10
QUERY_MAX: Final = 1000
METADATA: Final = "metadata"
_QUOTED = r"""(?P<{0}_mark>["'])(?P<{0}>(?:(?!(?P={0}_mark))[^\\]|\\.)*)(?P={0}_mark)"""
_CLAUSE = re.compile(
    rf"\s*(?P<negated>-)?(?P<field>[a-z_]+)(?:\[{_QUOTED.format('key')}\])?\s*(?P<op><=|>=|[:<>~])\s*"
    rf"(?:{_QUOTED.format('quoted')}|(?P<bare>[^\s\"']+))"
)
_JOIN = re.compile(r"\s+(?:(AND|OR)\s+)?")


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition. key: of metadata; value: None means that there is none."""

    field: str
    op: Operator
    value: str | None
    key: str | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions of which all must hold, or any."""

    clauses: tuple[Clause, ...]
    any: bool


def parse(text: str, fields: Mapping[str, frozenset[str]]) -> Query:
    """The query that `text` says. fields: the operators that each field knows. Raises: Rejected."""
    clauses, joins, place = [], set(), 0
    while True:
        match = _CLAUSE.match(text, place)
        if match is None:
            raise _wrong(f'no clause such as status:"succeeded" at {text[place : place + 30]!r}')
        clauses.append(_clause(match, fields))
        place = match.end()
        if not text[place:].strip():
            break
        join = _JOIN.match(text, place)
        if join is None:
            raise _wrong(f"AND or OR is wanted at {text[place : place + 30]!r}")
        joins.add(join[1] or "AND")
        place = join.end()
    if len(joins) > 1:
        raise _wrong("AND and OR do not go together in one query")
    if len(clauses) > CLAUSES_MAX:
        raise _wrong(f"at most {CLAUSES_MAX} clauses")
    return Query(tuple(clauses), "OR" in joins)


def _clause(match: re.Match[str], fields: Mapping[str, frozenset[str]]) -> Clause:
    field, op, key = match["field"], match["op"], match["key"]
    if field not in fields:
        raise _wrong(f"there is no field {field:.40}; there are {', '.join(sorted(fields))}")
    if op not in fields[field]:
        raise _wrong(f"{field} knows {' '.join(sorted(fields[field]))}, not {op}")
    if (key is None) == (field == METADATA):
        raise _wrong('metadata takes a key, as in metadata["order"]:"6735", and nothing else does')
    quoted, bare = match["quoted"], match["bare"]
    value = bare if quoted is None else _plain(quoted)
    if quoted is None and bare == "null":
        value = None
    given: Operator = op  # type: ignore[assignment]  # it is among the field's
    return Clause(field, given, value, None if key is None else _plain(key), match["negated"] is not None)


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _wrong(why: str) -> Rejected:
    return Rejected("search_invalid", f"The query cannot be read: {why}.", param="query")
