"""An anchor's data says one seal and its head, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain import anchor
from bascule.domain.anchor import SEALS_MAX, Anchored, Sent
from bascule.domain.chain import Address, Hash

heads = st.binary(min_size=32, max_size=32)
numbers = st.integers(1, SEALS_MAX - 1)


@given(numbers, heads)
def test_data_of_an_anchor_says_what_was_put_in(seal: int, head: bytes) -> None:
    assert anchor.read(anchor.payload(seal, head)) == Anchored(seal, head.hex())


@given(st.binary(max_size=80))
def test_other_data_is_no_anchor(data: bytes) -> None:
    assert anchor.read(data) is None


@given(numbers, heads, st.integers(0, 55))
def test_another_version_of_the_data_is_not_read_as_this_one(seal: int, head: bytes, place: int) -> None:
    data = bytearray(anchor.payload(seal, head))
    data[place] ^= 1

    assert anchor.read(bytes(data)) != Anchored(seal, head.hex())


@given(st.none() | st.builds(lambda n, h: Anchored(n, h.hex()), numbers, heads), heads)
def test_line_of_an_export_comes_back_as_it_was_written(says: Anchored | None, tx_hash: bytes) -> None:
    sent = Sent(1, Address(tx_hash[:20]), 7, Hash(tx_hash), says)

    assert anchor.of_line(sent.line()) == sent


@pytest.mark.parametrize(
    "change",
    [
        {"seal": 0},
        {"head": "00"},
        {"nonce": "7"},
        {"nonce": True},
        {"wallet": "0x00"},
        {"more": 1},
        {"anchor": 5},
    ],
)
def test_line_that_is_no_anchor_is_refused(change: dict[str, object]) -> None:
    line = Sent(1, Address(b"\1" * 20), 1, Hash(b"\2" * 32), Anchored(3, "ab" * 32)).line()

    with pytest.raises(ValueError, match="anchor"):
        anchor.of_line({**line, **change})
