"""A file of payouts, read whole and strictly: what could mean two things is refused, with its place.

CSV as RFC 4180 has it; a byte order mark, any line end, and comma, semicolon or TAB between cells are taken.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bascule.domain.errors import Rejected

NEEDED = ("network", "currency", "amount", "to")
OPTIONAL = ("token", "client_reference_id", "description", "mandate")
COLUMNS = (*NEEDED, *OPTIONAL)
BYTES_MAX = 4 * 1024 * 1024
LINES_MAX = 10_000
TEMPLATE = ",".join(COLUMNS) + "\r\n"

_SEPARATORS = (",", ";", "\t")
_COMMA = re.compile(r"-?[0-9][0-9.]*,[0-9]+")
_GROUPED = re.compile(r"-?[0-9]{1,3}([,' ][0-9]{3})+(\.[0-9]+)?")
_SCIENTIFIC = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+[eE][-+]?[0-9]+")
_RUNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place. line: from 1, the header's; column: its name, None for the whole line."""

    line: int
    column: str | None
    code: str
    message: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its cells by column, empty ones left out; or what makes it unreadable."""

    number: int
    cells: Mapping[str, str]
    problem: Problem | None = None


def decode(raw: bytes) -> str:
    """The text of a file. Raises: Rejected `file_too_large`, `file_nul`, `file_not_utf8`, with the place."""
    if len(raw) > BYTES_MAX:
        raise _refused("file_too_large", f"A file has at most {BYTES_MAX // 1024 // 1024} MiB.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _refused("file_not_utf8", "Line 1: the file is UTF-16; save it as CSV UTF-8.")
    if (place := raw.find(b"\x00")) >= 0:
        raise _refused("file_nul", f"{_place(raw, place)}: a NUL character.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = f"{_place(raw, error.start)}: a byte that is not UTF-8; save it as CSV UTF-8."
        raise _refused("file_not_utf8", wrong) from None


def read(text: str) -> list[Line]:
    """The lines after the header. Raises: Rejected, one code for each way a file cannot be read at all."""
    text = text.removeprefix("\ufeff")
    if "\x00" in text:
        raise _refused("file_nul", "The file holds a NUL character.")
    if not text.strip():
        raise _refused("file_empty", "The file is empty.", "Begin with the template.")
    rows = _rows(text)
    header = _header(*rows[0])
    lines = [_line(number, cells, header) for number, cells in rows[1:] if any(cells)]
    if not lines:
        raise _refused("file_without_lines", "Line 1: the file has a header and nothing else.")
    if len(lines) > LINES_MAX:
        raise _refused("file_too_many_lines", f"{len(lines)} lines; a file has at most {LINES_MAX}.")
    return lines


def misspelt(amount: str) -> tuple[str, str] | None:
    """Code and message for an amount as spreadsheets like to write them; None for any other spelling."""
    if _SCIENTIFIC.fullmatch(amount):
        return "amount_scientific", "Write all digits, not a power of ten."
    if _GROUPED.fullmatch(amount):
        return "amount_grouped", "Write no separators between thousands."
    if _COMMA.fullmatch(amount):
        return "amount_decimal_comma", 'Write a point, not a comma: "10.50".'
    return None


def harmless(cell: str) -> str:
    """A cell as it may be shown: a spreadsheet that opens a report runs nothing of it."""
    shown = cell[:100]
    return "'" + shown if shown.startswith(_RUNS) else shown


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each row."""
    first = text.splitlines()[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            rows.append((begins, [cell.strip(" ") for cell in cells]))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _refused("file_malformed", f"Line {begins}: {error}.") from None
    return rows


def _header(number: int, cells: list[str]) -> list[str]:
    for place, name in enumerate(cells, 1):
        if name not in COLUMNS:
            raise _refused(
                "file_header_unknown",
                f"Line {number}, column {place}: {name[:40]!r} is no column.",
                f"The columns are {', '.join(COLUMNS)}.",
            )
        if name in cells[: place - 1]:
            raise _refused("file_header_twice", f"Line {number}, column {place}: {name} stands twice.")
    if missing := [name for name in NEEDED if name not in cells]:
        raise _refused("file_header_missing", f"Line {number}: no column {', '.join(missing)}.")
    return cells


def _line(number: int, cells: list[str], header: list[str]) -> Line:
    if len(cells) != len(header):
        wrong = f"{len(cells)} cells under {len(header)} columns."
        return Line(number, {}, Problem(number, None, "line_width", wrong))
    return Line(number, {name: cell for name, cell in zip(header, cells, strict=True) if cell})


def _place(raw: bytes, at: int) -> str:
    line = raw.count(b"\n", 0, at) + 1
    return f"Line {line}, byte {at - raw.rfind(chr(10).encode(), 0, at)}"


def _refused(code: str, message: str, next_step: str | None = None) -> Rejected:
    return Rejected(code, message, param="csv", next_step=next_step)
