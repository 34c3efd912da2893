"""A sanctions list is read whole or not at all, and says where it is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict, Rejected
from bascule.domain.screening import change, read, require_growth, require_name

A, B = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x90f79bf6eb2c4f870365e785982e1f101e93b906"
ADDRESSES = st.binary(min_size=20, max_size=20).filter(any).map(Address)
LISTS = st.dictionaries(ADDRESSES, st.text("abc 12", max_size=8).map(str.strip), min_size=1, max_size=20)


@given(LISTS)
def test_what_is_written_is_read_and_each_version_follows_from_the_one_before(
    entries: dict[Address, str],
) -> None:
    text = "\ufeffreference,address\r\n" + "".join(
        f"{said},{checksum(at)}\r\n\r\n" for at, said in entries.items()
    )
    assert read(text) == entries


@given(LISTS, LISTS)
def test_a_change_makes_the_new_version_of_the_old_one(
    before: dict[Address, str], after: dict[Address, str]
) -> None:
    found = change(before, after)

    assert {**{k: v for k, v in before.items() if k not in found.removed}, **found.added} == after
    assert not {k for k, v in found.added.items() if before.get(k) == v}
    assert found.removed <= before.keys()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: the header is"),
        (f"{A}\n", "line 1: the header is"),
        ("address,name\n", "line 1: the header is"),
        ("address,address\n", "line 1: the header is"),
        ("address\n", "line 2: the file has a header and nothing else"),
        (f"address\n{A}\n{A.lower()}\n", f"line 3: {A} stands twice"),
        (f"address\n{A},x\n", "line 2: 2 cells under 1 columns"),
        (f"address\n{A[:-1]}9\n", "line 2: The address's upper and lower case letters"),
        ("address\n0x" + "0" * 40 + "\n", "line 2: The zero address is nobody's"),
        (f"address,reference\n{A},{'x' * 201}\n", "line 2: a reference has at most 200 characters"),
        (f'address,reference\n{A},"SDN\n{B},x\n', "line 3: unexpected end of data"),
        (f"address\n{A}\n\x00\n", "line 3: a NUL character"),
        ("address\n" + "1\n" * 7, "; and 2 more."),
    ],
    ids=str,
)
def test_a_damaged_list_is_refused_with_its_line_and_why(text: str, why: str) -> None:
    with pytest.raises(Rejected) as refused:
        read(text)
    assert refused.value.code == "screening_list_damaged"
    assert why in str(refused.value)


def test_a_list_that_loses_more_than_a_tenth_needs_a_word() -> None:
    before = {Address(bytes([n]) * 20): "" for n in range(1, 21)}
    fewer = dict(list(before.items())[2:])
    require_growth(before, fewer, may_shrink=False)
    fewest = dict(list(before.items())[3:])
    require_growth(before, fewest, may_shrink=True)
    with pytest.raises(Conflict, match="3 of 20 addresses"):
        require_growth(before, fewest, may_shrink=False)


@pytest.mark.parametrize("name", ["", "OFAC", "ofac.1", "-x", "x" * 51])
def test_a_lists_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(Rejected, match="1 to 50 of a-z"):
        require_name(name)
    require_name("ofac-sdn_2")
