"""Recovery finds the signer, and takes each signature in one spelling only."""

from contextlib import suppress

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from bascule.chain.signatures import recover
from bascule.domain.chain import parse_address
from bascule.domain.errors import Rejected

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = b"\x42" * 32


@given(st.binary(min_size=32, max_size=32), st.integers(min_value=1, max_value=ORDER - 1))
def test_recovered_address_is_the_one_of_the_key(digest: bytes, secret: int) -> None:
    account = Account.from_key(secret.to_bytes(32, "big"))
    signature = bytes(Account.unsafe_sign_hash(digest, account.key).signature)

    assert recover(digest, signature) == parse_address(account.address)
    assert recover(digest, signature[:64] + bytes([signature[64] - 27])) == parse_address(account.address)


def test_mirrored_signature_is_refused_by_its_high_s() -> None:
    signature = bytes(Account.unsafe_sign_hash(DIGEST, b"\x07" * 32).signature)
    high = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")

    with pytest.raises(Rejected, match="lower half"):
        recover(DIGEST, signature[:32] + high + bytes([55 - signature[64]]))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        bytes(65),
        bytes(66),
        bytes(64) + b"\x1d",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        b"\x01" * 64 + b"\x02",
    ],
    ids=len,
)
def test_bytes_that_are_no_signature_are_refused(signature: bytes) -> None:
    with pytest.raises(Rejected) as refused:
        recover(DIGEST, signature)

    assert refused.value.code == "signature_invalid"


@given(st.binary(min_size=65, max_size=65))
def test_random_bytes_never_raise_anything_else(signature: bytes) -> None:
    found = b""
    with suppress(Rejected):
        found = recover(DIGEST, signature)

    assert len(found) in (0, 20)
