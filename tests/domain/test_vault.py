import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.domain import vault
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak
from bascule.domain.vault import Batch

lanes = st.integers(0, 2**32 - 1)
sequences = st.integers(0, 2**224 - 1)
indexes = st.integers(0, 255)
amounts = st.integers(1, 2**88 - 1)
addresses = st.binary(min_size=20, max_size=20).map(Address)
hashes = st.binary(min_size=32, max_size=32).map(Hash)
PAY = ["address", "uint32", "bytes32", "uint256", "uint256[]", "bytes16[]", "uint64"]


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    lane = draw(lanes)
    chosen = sorted(draw(st.sets(indexes, min_size=1, max_size=5)))
    return Batch(
        token=draw(addresses),
        lane=lane,
        expected_head=draw(hashes),
        word=vault.word_of(vault.make_id(lane, draw(sequences))),
        items=tuple(vault.pack_item(index, draw(amounts), draw(addresses)) for index in chosen),
        tags=tuple(vault.tag(f"identity {index}") for index in chosen),
        deadline=draw(st.integers(0, 2**64 - 1)),
    )


BATCH = Batch(
    Address(b"\x11" * 20),
    1,
    vault.FIRST_HEAD,
    vault.word_of(vault.make_id(1, 0)),
    (vault.pack_item(0, 5, Address(b"\x22" * 20)), vault.pack_item(3, 6, Address(b"\x33" * 20))),
    (b"a" * 16, b"b" * 16),
    9,
)


@given(lanes, sequences)
def test_an_id_is_its_lane_and_sequence(lane: int, sequence: int) -> None:
    made = vault.make_id(lane, sequence)

    assert (vault.lane_of(made), vault.sequence_of(made)) == (lane, sequence)
    assert vault.id_at(vault.word_of(made), vault.index_of(made)) == made
    assert vault.word_of(made) >> 216 == lane


@given(indexes, amounts, addresses)
def test_an_item_survives_packing(index: int, amount: int, to: Address) -> None:
    packed = vault.pack_item(index, amount, to)

    assert vault.unpack_item(packed) == (index, amount, to)
    assert packed.to_bytes(32, "big") == bytes([index]) + amount.to_bytes(11, "big") + to


@pytest.mark.parametrize(
    ("amount", "code"), [(0, "amount_too_small"), (-1, "amount_too_small"), (2**88, "amount_too_large")]
)
def test_an_amount_an_item_cannot_carry_is_refused(amount: int, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        vault.pack_item(0, amount, Address(b"\x11" * 20))

    assert refused.value.code == code


def test_the_largest_amount_is_carried() -> None:
    assert vault.unpack_item(vault.pack_item(255, 2**88 - 1, Address(b"\xff" * 20)))[1] == 2**88 - 1


@settings(max_examples=50)
@given(batches())
def test_calldata_is_the_canonical_abi_encoding(batch: Batch) -> None:
    arguments = [
        batch.token,
        batch.lane,
        batch.expected_head,
        batch.word,
        batch.items,
        batch.tags,
        batch.deadline,
    ]

    assert batch.calldata()[4:] == encode(PAY, arguments)
    assert batch.calldata()[:4] == keccak(f"pay({','.join(PAY)})".encode())[:4]
    assert batch.next_head() == keccak(batch.calldata())


def test_the_selector_is_the_one_the_compiled_vault_has() -> None:
    compiled = json.loads((Path(__file__).resolve().parents[2] / "abi" / "PayoutVault.json").read_text())
    inputs = next(entry["inputs"] for entry in compiled["abi"] if entry.get("name") == "pay")

    assert [one["type"] for one in inputs] == PAY
    assert vault.PAY_SELECTOR.hex() == "15e16eb6"


def test_a_word_holds_256_items() -> None:
    items = tuple(vault.pack_item(index, 1, Address(b"\x11" * 20)) for index in range(256))
    full = replace(BATCH, items=items, tags=(b"t" * 16,) * 256)

    assert full.total() == 256
    assert len(full.calldata()) == 4 + 32 * (7 + 1 + 256 + 1 + 256)


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": (), "tags": ()},
        {"tags": (b"a" * 16,)},
        {"tags": (b"a" * 15, b"b" * 16)},
        {"items": BATCH.items[::-1]},
        {"items": (BATCH.items[0], BATCH.items[0])},
        {"word": vault.word_of(vault.make_id(2, 0))},
        {"deadline": 2**64},
        {"expected_head": b""},
    ],
)
def test_a_batch_the_vault_would_revert_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        replace(BATCH, **wrong)


def test_each_input_moves_the_head_elsewhere() -> None:
    others = [
        BATCH,
        replace(BATCH, token=Address(b"\x12" * 20)),
        replace(BATCH, expected_head=BATCH.next_head()),
        replace(BATCH, word=BATCH.word + 1),
        replace(BATCH, items=BATCH.items[:1], tags=BATCH.tags[:1]),
        replace(BATCH, tags=(b"a" * 16, b"c" * 16)),
        replace(BATCH, deadline=10),
    ]

    assert len({batch.next_head() for batch in others}) == len(others)


def test_a_tag_is_a_prefix_of_the_identitys_hash() -> None:
    # sha256("abc"), FIPS 180-2 appendix B.1
    assert vault.tag("abc").hex() == "ba7816bf8f01cfea414140de5dae2223"


@given(st.sets(indexes), st.sets(indexes))
def test_paid_is_attempted_and_not_refused_in_rising_order(attempted: set[int], refused: set[int]) -> None:
    attempted_mask = sum(1 << index for index in attempted)
    refused_mask = sum(1 << index for index in refused & attempted)

    assert vault.paid_indexes(attempted_mask, refused_mask) == tuple(sorted(attempted - refused))
