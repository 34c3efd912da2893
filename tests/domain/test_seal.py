"""An export proves itself, or names what is wrong with it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.seal import Damaged, Line, Seal, check, exported, leaf, root, seal

Rows = list[tuple[str, int, Line]]
FIRST: Rows = [("ledger", 1, {"amount": "5"}), ("ledger", 2, {"amount": "6"}), ("audit", 1, {"by": "cli"})]
SECOND: Rows = [("ledger", 3, {"amount": "7"}), ("ledger", 5, {"amount": "8"})]


def export(*stretches: Rows) -> list[dict[str, Any]]:
    """An export of these stretches, as it is read from a file."""
    lines: list[dict[str, Any]] = []
    before: Seal | None = None
    for rows in stretches:
        before = seal(before, rows, "2026-11-01 00:00:00")
        lines += exported(before, rows)
    done: list[dict[str, Any]] = json.loads(json.dumps([*lines, {"end": len(stretches)}]))
    return done


def test_what_was_not_touched_proves_itself() -> None:
    found = check(export(FIRST, SECOND))

    assert (found.seals, found.rows, found.wrong) == (2, 5, None)
    assert check(export(FIRST, SECOND), head="0x" + found.head).wrong is None
    assert check(export()).head == ""


def test_head_that_was_kept_earlier_is_of_one_of_the_seals() -> None:
    earlier = check(export(FIRST)).head

    assert (check(export(FIRST, SECOND), earlier).kept, check(export(FIRST, SECOND)).kept) == (1, 0)
    assert check(export(FIRST, SECOND), earlier).wrong is None
    assert check(export(FIRST), check(export(FIRST, SECOND)).head).wrong is not None


def changed(lines: list[dict[str, Any]]) -> None:
    lines[2]["row"]["amount"] = "9"


def removed(lines: list[dict[str, Any]]) -> None:
    del lines[6]


def added(lines: list[dict[str, Any]]) -> None:
    lines.insert(6, {"stream": "ledger", "id": 4, "row": {}})


def resealed(lines: list[dict[str, Any]]) -> None:
    lines[2]["row"]["amount"] = "9"
    lines[0]["rows"][1][2] = leaf(lines[2]["row"])


def reseated(lines: list[dict[str, Any]]) -> None:
    resealed(lines)
    lines[0]["root"] = root([row[2] for row in lines[0]["rows"]])


def dropped(lines: list[dict[str, Any]]) -> None:
    del lines[:4]
    lines[-1]["end"] = 1


def shadowed(lines: list[dict[str, Any]]) -> None:
    lines.insert(1, {"stream": "ledger", "id": 1, "row": {"amount": "9"}})


def reordered(lines: list[dict[str, Any]]) -> None:
    lines[1], lines[2] = lines[2], lines[1]


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (changed, "ledger row 2 was changed after seal 1 was made"),
        (removed, "ledger row 5 was removed after seal 2 was made"),
        (added, "ledger row 4 was added after seal 2 was made"),
        (resealed, "seal 1 has another root than its rows"),
        (reseated, "seal 2 does not follow the one before it"),
        (dropped, "seal 2 does not follow the one before it"),
        (shadowed, "the rows of seal 1 stand in another order, or one stands twice"),
        (reordered, "the rows of seal 1 stand in another order, or one stands twice"),
    ],
)
def test_first_thing_that_was_tampered_with_is_named(
    tamper: Callable[[list[dict[str, Any]]], None], named: str
) -> None:
    lines = export(FIRST, SECOND)
    tamper(lines)

    assert check(lines).wrong == named


def test_history_written_anew_as_a_whole_is_told_by_a_head_kept_elsewhere() -> None:
    head = check(export(FIRST, SECOND)).head
    anew = export([*FIRST[:2], ("audit", 1, {"by": "nobody"})], SECOND)

    assert check(anew).wrong is None
    assert check(anew, head).wrong is not None


def test_export_that_was_cut_off_or_is_none_is_damaged() -> None:
    for lines in (export(FIRST)[:-1], [{"end": 1}], [{"hello": 1}], [*export(FIRST)[:1], {"seal": 2}]):
        with pytest.raises(Damaged):
            check(lines)


def test_line_that_no_seal_speaks_of_is_not_taken_for_proven() -> None:
    row = {"stream": "ledger", "id": 9, "row": {"amount": "9"}}
    seal_, first, *rest = export(FIRST)
    for lines in (
        [row, seal_, first, *rest],
        [seal_, first, *rest, row],
        [seal_, {**first, "note": "paid twice"}, *rest],
        [seal_, {**first, "id": 1.5}, *rest],
        [seal_, {"row": {}}, *rest],
        [{**seal_, "note": "checked by us"}, first, *rest],
        [{**seal_, "rows": [["ledger", 1, "hello"]]}, first, *rest],
        [seal_, first, *rest[:-1], {"end": "one"}],
    ):
        with pytest.raises(Damaged):
            check(lines)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True), st.data())
def test_root_stands_for_each_leaf_and_its_place(leaves: list[bytes], data: st.DataObject) -> None:
    told = [each.hex() for each in leaves]
    other = data.draw(st.permutations(told))

    assert (root(other) == root(told)) == (other == told)
    assert len(leaves) == 1 or root(told[:-1]) != root(told)
