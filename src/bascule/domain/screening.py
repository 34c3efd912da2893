"""Screening: whose money is held until the compliance role decides, by lists that are imported from files.

A list is a CSV file: a header with `address` and, if wanted, `reference`; one address a line. What could mean
two things is refused, with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.errors import Conflict, Rejected
from bascule.domain.machine import Machine

COLUMNS = ("address", "reference")
REFERENCE_MAX = 200
LINES_MAX = 500_000
PROBLEMS_SHOWN = 5
SHRINKS_FROM_BPS = 1_000  # a list that loses more than a tenth of its entries needs a word
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")


class ScreeningState(StrEnum):
    OPEN = "open"
    RELEASED = "released"
    REJECTED = "rejected"


class ScreeningEvent(StrEnum):
    RELEASE = "release"
    REJECT = "reject"


S, E = ScreeningState, ScreeningEvent

SCREENING = Machine(
    "screening",
    ScreeningState,
    ScreeningEvent,
    initial=(S.OPEN,),
    table={(S.OPEN, E.RELEASE): S.RELEASED, (S.OPEN, E.REJECT): S.REJECTED},
    sentences={
        S.OPEN: "Its other side stands on a list: the money is held until the compliance role decides.",
        S.RELEASED: "The compliance role let it go on, as if nothing had been.",
        S.REJECTED: "The compliance role holds a deposit for good, and ends a payout that was not sent.",
    },
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a new version does to a list. removed: addresses; added: or said otherwise of, by reference."""

    added: Mapping[Address, str]
    removed: frozenset[Address]


def require_name(name: str) -> str:
    """The name of a list. Raises: Rejected `screening_list_name_invalid`."""
    if not _NAME.fullmatch(name):
        raise Rejected(
            "screening_list_name_invalid",
            "A list's name has 1 to 50 of a-z, 0-9, _ and -, and begins with a letter or digit.",
            param="name",
        )
    return name


def read(text: str) -> dict[Address, str]:
    """The entries of a file: what is said of each address.

    Raises: Rejected `screening_list_damaged`, naming the first lines that are wrong and why.
    """
    rows = _rows(text)
    header = rows[0][1] if rows else []
    if "address" not in header or set(header) - set(COLUMNS) or len(set(header)) != len(header):
        raise _damaged(
            [f"line 1: the header is `address` or `address,reference`, not {','.join(header)!r:.80}"]
        )
    found: dict[Address, str] = {}
    wrong: list[str] = []
    for number, cells in rows[1:]:
        try:
            address, reference = _entry(cells, header)
        except Rejected as why:
            wrong.append(f"line {number}: {why.message.rstrip('.')}")
            continue
        if address in found:
            wrong.append(f"line {number}: {checksum(address)} stands twice")
        found[address] = reference
    if wrong:
        raise _damaged(wrong)
    if not found:
        raise _damaged(["line 2: the file has a header and nothing else"])
    return found


def change(before: Mapping[Address, str], after: Mapping[Address, str]) -> Change:
    """What differs between two versions; an entry that says something else goes and comes."""
    same = {address for address, reference in after.items() if before.get(address) == reference}
    return Change(
        added={address: said for address, said in after.items() if address not in same},
        removed=frozenset(before.keys() - same),
    )


def require_growth(before: Mapping[Address, str], after: Mapping[Address, str], *, may_shrink: bool) -> None:
    """Raises: Conflict `screening_list_shrinks` when more than a tenth of the addresses would go unasked."""
    gone = len(before.keys() - after.keys())
    if gone * 10_000 > len(before) * SHRINKS_FROM_BPS and not may_shrink:
        raise Conflict(
            "screening_list_shrinks",
            f"{gone} of {len(before)} addresses would go off the list.",
            next_step="If the file is whole, import it again with may_shrink.",
        )


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of each row that has any."""
    if "\x00" in text:
        raise _damaged([f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}: a NUL character"])
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cells):
                rows.append((reader.line_num, [cell.strip(" ") for cell in cells]))
            if len(rows) > LINES_MAX:
                raise _damaged([f"line {reader.line_num}: a list has at most {LINES_MAX} lines"])
    except csv.Error as error:
        raise _damaged([f"line {reader.line_num}: {error}"]) from None
    return rows


def _entry(cells: list[str], header: list[str]) -> tuple[Address, str]:
    if len(cells) != len(header):
        raise _damaged([f"{len(cells)} cells under {len(header)} columns"])
    found = dict(zip(header, cells, strict=True))
    reference = found.get("reference", "")
    if len(reference) > REFERENCE_MAX:
        raise _damaged([f"a reference has at most {REFERENCE_MAX} characters"])
    return parse_address(found["address"]), reference


def _damaged(problems: list[str]) -> Rejected:
    more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
    return Rejected(
        "screening_list_damaged",
        "; ".join(problems[:PROBLEMS_SHOWN]) + more + ".",
        param="csv",
        next_step="Mend the file; the list stays as it was.",
    )
