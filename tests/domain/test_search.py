"""A query is read whole or refused with the place that cannot be read."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.errors import Rejected
from bascule.domain.search import Clause, Query, parse

FIELDS = {"status": frozenset(":"), "amount": frozenset({":", "<", ">="}), "metadata": frozenset(":")}


def test_clauses_are_read_with_what_joins_them() -> None:
    both = parse(r'status:"succeeded" AND -metadata["a\"b"]:"x y"', FIELDS)
    any_of = parse("amount>=25.00 OR amount<1.00", FIELDS)

    assert both == Query(
        (Clause("status", ":", "succeeded"), Clause("metadata", ":", "x y", 'a"b', negated=True)), any=False
    )
    assert any_of == Query((Clause("amount", ">=", "25.00"), Clause("amount", "<", "1.00")), any=True)
    assert parse('metadata["a"]:null status:"a"', FIELDS).clauses[0].value is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "succeeded", 'status:"succeeded', "status:'succeeded\"", "status:'a''b'",
        'status:"a" AND', 'status:"a" NOT status:"b"', 'state:"a"',
        'status~"a"', "status>1",
        'metadata:"a"', 'status["a"]:"b"', 'status:"a" AND status:"b" OR status:"c"',
        'status:"a"status:"b"', " ".join(['status:"a"'] * 11),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(text, FIELDS)

    assert (refused.value.code, refused.value.param) == ("search_invalid", "query")


@given(st.text(max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with suppress(Rejected):
        assert parse(text, FIELDS).clauses


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from("\"'"))
def test_any_key_and_value_can_be_asked_for_in_either_quotes(key: str, value: str, mark: str) -> None:
    def quoted(text: str) -> str:
        return mark + text.replace("\\", "\\\\").replace(mark, f"\\{mark}") + mark

    [clause] = parse(f"metadata[{quoted(key)}]:{quoted(value)}", FIELDS).clauses

    assert (clause.key, clause.value) == (key, value)
