"""COPY's formats: quicker than parameters for many rows, which are quoted twice on their way.

Text is the shorter to write; in binary what is long, as documents are, is neither escaped here nor read for
escapes there. Of a row PostgreSQL's manual says: how many columns, then of each its length and its bytes.
"""

import re
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_SPECIAL = re.compile(r"[\\\n\r]")
_SPELLED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_HEAD, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_LENGTH = struct.Struct("!i").pack
_MOMENT = struct.Struct("!iq").pack
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
NULL = _LENGTH(-1)


def binary(rows: Iterable[bytes]) -> bytes:
    """All of a COPY in binary: rows that each begin with the number of their columns, two bytes."""
    return b"".join((_HEAD, *rows, _END))


def sized(value: bytes) -> bytes:
    """A column in binary: of text, in UTF-8, or JSON, written down."""
    return _LENGTH(len(value)) + value


def moment(value: datetime) -> bytes:
    """A column of a moment in binary, to the microsecond."""
    return _MOMENT(8, (value - _EPOCH) // _MICROSECOND)


def spelled(*values: str) -> str:
    """Columns of text, with a tab between."""
    line = "\t".join(values)
    if _SPECIAL.search(line) or line.count("\t") >= len(values):
        return "\t".join(value.translate(_SPELLED) for value in values)
    return line
