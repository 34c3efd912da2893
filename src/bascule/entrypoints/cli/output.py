"""What commands print: tables for people, one JSON object per line for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

_MOMENTS = frozenset(
    {"created", "seen", "updated", "since", "until"}
)  # and what ends in _at: seconds of an API
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable lines.")]


@dataclass(frozen=True, slots=True)
class Output:
    """Options of the whole command line."""

    debug: bool = False


def say(text: str) -> None:
    """One line for people."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def line(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def rows(found: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str = "nothing") -> None:
    """Rows of the same shape: a table, where nothing is `-` and times are read, or one JSON line each."""
    if as_json:
        for row in found:
            line(row)
        return
    if not found:
        say(empty)
        return
    names = list(found[0])
    cells = [names, *([_cell(name, row[name]) for name in names] for row in found)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    for texts in cells:
        say("  ".join(cell.ljust(width) for cell, width in zip(texts, widths, strict=True)).rstrip())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if type(value) is int and (name in _MOMENTS or name.endswith("_at")):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return str(value)
