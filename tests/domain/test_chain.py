import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.domain.chain import (
    ZERO_ADDRESS,
    Address,
    Hash,
    address,
    caip2,
    checksum,
    hash32,
    hex32,
    parse_address,
    parse_hash,
    parse_network,
)
from bascule.domain.errors import Rejected

# The examples of EIP-55.
EIP55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]

addresses = st.binary(min_size=20, max_size=20).filter(any).map(Address)


@pytest.mark.parametrize("text", EIP55)
def test_the_checksum_is_that_of_eip_55(text: str) -> None:
    assert checksum(parse_address(text)) == text


@given(addresses)
def test_an_address_survives_text_in_each_spelling(raw: Address) -> None:
    text = checksum(raw)

    assert parse_address(text) == raw
    assert parse_address(text.lower()) == raw
    assert parse_address("0x" + text[2:].upper()) == raw


@pytest.mark.parametrize("text", EIP55)
def test_one_wrong_letter_case_is_a_checksum_mismatch(text: str) -> None:
    spot = next(i for i, letter in enumerate(text) if i > 1 and letter.isalpha())
    wrong = text[:spot] + text[spot].swapcase() + text[spot + 1 :]

    with pytest.raises(Rejected) as refused:
        parse_address(wrong, param="to")

    assert (refused.value.code, refused.value.param) == ("address_checksum_mismatch", "to")


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        b"\x00" * 20,
        "",
        "0x",
        EIP55[0][2:],
        EIP55[0] + "0",
        EIP55[0][:-1],
        "0X" + EIP55[0][2:],
        EIP55[0] + "\n",
        "0x" + "g" * 40,
        "0x" + "\u0663" * 40,
        "0x" + "0" * 40,
    ],
)
def test_what_is_not_an_address_is_refused(text: object) -> None:
    with pytest.raises(Rejected) as refused:
        parse_address(text)

    assert refused.value.code == "address_invalid"


@given(st.binary(min_size=32, max_size=32).map(Hash))
def test_a_hash_survives_text(raw: Hash) -> None:
    assert parse_hash(hex32(raw)) == raw


@pytest.mark.parametrize("text", [None, "", "0x" + "0" * 63, "0x" + "0" * 65, "0x" + "z" * 64, "0" * 64])
def test_what_is_not_a_hash_is_refused(text: object) -> None:
    with pytest.raises(Rejected) as refused:
        parse_hash(text)

    assert refused.value.code == "parameter_invalid"


@given(st.integers(1, 10**18 - 1))
def test_a_network_survives_its_name(chain_id: int) -> None:
    assert parse_network(caip2(chain_id)) == chain_id


@pytest.mark.parametrize(
    "text", [None, 1, "", "eip155:", "eip155:0", "eip155:01", "eip155:-1", "solana:1", "1"]
)
def test_what_is_not_a_network_is_refused(text: object) -> None:
    with pytest.raises(Rejected):
        parse_network(text)


def test_raw_bytes_of_another_length_are_our_own_mistake() -> None:
    assert address(bytes(20)) == ZERO_ADDRESS
    with pytest.raises(AssertionError):
        address(bytes(21))
    with pytest.raises(AssertionError):
        hash32(bytes(31))
