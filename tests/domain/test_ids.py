import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain import ids
from bascule.domain.errors import NotFound
from bascule.domain.ids import InvalidId, Prefix

moments = st.integers(0, 2**48 - 1)
entropies = st.binary(min_size=10, max_size=10)
prefixes = st.sampled_from(Prefix)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@given(prefixes, moments, entropies)
def test_an_id_is_its_prefix_and_a_uuid_of_version_seven(prefix: str, now: int, entropy: bytes) -> None:
    text = ids.new(prefix, now, entropy)

    head, _, letters = text.rpartition("_")
    value = sum(ALPHABET.index(letter) << 5 * place for place, letter in enumerate(reversed(letters)))
    assert head == prefix
    assert len(letters) == 26
    assert (uuid.UUID(int=value).version, uuid.UUID(int=value).variant) == (7, uuid.RFC_4122)
    assert ids.created_ms(text) == now
    assert ids.check(prefix, text) == text


@given(moments, moments, entropies, entropies)
def test_ids_sort_by_time(first: int, second: int, one: bytes, other: bytes) -> None:
    if first < second:
        assert ids.new("pi", first, one) < ids.new("pi", second, other)


def test_entropy_tells_ids_of_one_millisecond_apart() -> None:
    made = {ids.new("pi", 1, bytes([n]) + bytes(8) + bytes([n])) for n in range(256)}

    assert len(made) == 256


@given(prefixes, st.text(max_size=40))
def test_other_text_is_no_id(prefix: str, text: str) -> None:
    with pytest.raises(InvalidId):
        ids.check(prefix, text)


GOOD = ids.new("pi", 1_795_000_000_000, bytes(range(10)))


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        GOOD[3:],
        GOOD.upper(),
        GOOD + "0",
        GOOD[:-1],
        GOOD[:-1] + "\n",
        GOOD[:-1] + "u",
        GOOD.replace("pi_", "po_"),
        GOOD.replace("_", "-"),
        "pi_" + "0" * 26,
        "pi_" + "z" * 26,
    ],
)
def test_an_id_that_is_not_ours_names_nothing(text: object) -> None:
    with pytest.raises(InvalidId) as refused:
        ids.check("pi", text, param="payment_intent")

    assert isinstance(refused.value, NotFound)
    assert (refused.value.code, refused.value.param) == ("resource_missing", "payment_intent")


def test_time_and_entropy_outside_their_range_are_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        ids.new("pi", 2**48, bytes(10))
    with pytest.raises(AssertionError):
        ids.new("pi", 0, bytes(9))
