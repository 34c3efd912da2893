"""A file of payouts is read strictly: each way to be wrong has its own code and its place."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Rejected
from bascule.domain.payout_file import (
    BYTES_MAX,
    COLUMNS,
    LINES_MAX,
    TEMPLATE,
    Line,
    decode,
    harmless,
    misspelt,
    read,
)

HEADER = "network,currency,amount,to\n"
ROW = "eip155:1,usdc,1.00,0x12\n"


def outcome(raw: bytes) -> tuple[str, list[Line]]:
    """The code of the refusal, or the lines."""
    try:
        return "", read(decode(raw))
    except Rejected as error:
        return error.code, []


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"", "file_empty", ""),
        (b"\xef\xbb\xbf \r\n", "file_empty", ""),
        (HEADER.encode(), "file_without_lines", "Line 1"),
        (HEADER.encode() + b"\r\n\r\n", "file_without_lines", "Line 1"),
        (b"network,currency,amount\n" + ROW.encode(), "file_header_missing", "to"),
        (b"network,currency,amount,to,colour\n" + ROW.encode(), "file_header_unknown", "Line 1, column 5"),
        (b"network,currency,amount,to,to\n" + ROW.encode(), "file_header_twice", "Line 1, column 5"),
        (b"network|currency|amount|to\n" + ROW.encode(), "file_header_unknown", "Line 1, column 1"),
        ((HEADER + ROW).encode("utf-16"), "file_not_utf8", "Line 1"),
        (HEADER.encode() + ROW.encode() + b"eip155:1,us\xff", "file_not_utf8", "Line 3, byte 12"),
        (HEADER.encode() + b"eip155:1,\x00", "file_nul", "Line 2, byte 10"),
        (HEADER.encode() + ROW.encode() + b'eip155:1,"usdc,1.00,0x12\n', "file_malformed", "Line 3"),
        (HEADER.encode() + b'eip155:1,"us"dc,1.00,0x12\n', "file_malformed", "Line 2"),
        (HEADER.encode() + b"x" * BYTES_MAX, "file_too_large", "4 MiB"),
        ((HEADER + ROW * (LINES_MAX + 1)).encode(), "file_too_many_lines", "10001"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(raw: bytes, code: str, place: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(decode(raw))

    assert refused.value.code == code
    assert place in refused.value.message


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_marks_line_ends_and_separators_of_spreadsheets_are_understood(
    mark: str, end: str, separator: str
) -> None:
    rows = [["to", "amount", "network", "currency", "description"], ["0x1", "1.00", "n", "c", 'a "b"; c,\td']]
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)

    [line] = read(decode((mark + text.getvalue()).encode()))

    assert line.number == 2
    assert line.cells == dict(zip(rows[0], rows[1], strict=True))


def test_lines_are_numbered_as_an_editor_shows_them() -> None:
    text = HEADER.replace("to", "to,description", 1) + 'n,c,1.00,0x1,"two\nlines"\n\nn,c,2.00,0x2,\n'

    assert [(line.number, line.cells["amount"]) for line in read(text)] == [(2, "1.00"), (5, "2.00")]


def test_a_line_of_another_width_is_told_and_the_others_are_read() -> None:
    lines = read(HEADER + ROW + "eip155:1,usdc,1.00\n" + ROW)

    assert [line.problem.code if line.problem else None for line in lines] == [None, "line_width", None]


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("10,50", "amount_decimal_comma"),
        ("1.000,50", "amount_decimal_comma"),
        ("1,000.50", "amount_grouped"),
        ("1'000.50", "amount_grouped"),
        ("1e3", "amount_scientific"),
        ("1.5E+05", "amount_scientific"),
    ],
)
def test_amounts_as_spreadsheets_write_them_have_their_own_codes(amount: str, code: str) -> None:
    found = misspelt(amount)

    assert found is not None
    assert found[0] == code


@given(st.binary(max_size=400))
def test_rubbish_is_read_or_refused_and_never_breaks_the_reader(raw: bytes) -> None:
    code, lines = outcome(raw)

    assert bool(lines) != code.startswith("file_")


@given(st.lists(st.lists(st.text(max_size=9), min_size=1, max_size=8), min_size=1, max_size=6))
def test_whatever_cells_hold_a_line_has_known_columns_alone(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    code, lines = outcome((HEADER + text.getvalue()).encode(errors="replace"))

    assert code in {"", "file_nul", "file_malformed", "file_without_lines"}
    assert all(set(line.cells) <= set(COLUMNS) for line in lines)


@given(st.text(max_size=200))
def test_nothing_a_report_shows_is_run_by_a_spreadsheet(cell: str) -> None:
    shown = harmless(cell)

    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(shown) <= 101


def test_the_template_is_a_header_that_is_understood() -> None:
    assert len(read(TEMPLATE + "n,c,1.00,0x1,,,\r\n")) == 1
