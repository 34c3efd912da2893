"""Transactions as bytes agree with an independent encoder."""

import pytest
from eth_account import Account

from bascule.chain.tx import UnsignedTx
from bascule.domain.chain import Address, checksum
from bascule.domain.fees import Fees
from bascule.signing.keystore import LocalKey

SECRET = b"\x07" * 32
TO = Address(b"\x52" * 20)


@pytest.mark.parametrize("size", [0, 1, 55, 56, 300, 70_000])
@pytest.mark.parametrize("nonce", [0, 1, 127, 128, 2**40])
async def test_signed_bytes_equal_those_of_another_library(size: int, nonce: int) -> None:
    tx = UnsignedTx(31_337, nonce, TO, 0, b"\x7f" * size, Fees(2_000_000_000, 1_000_000_000, 400_000))

    signed = tx.signed(await LocalKey(SECRET).sign(tx.digest()))

    theirs = Account.sign_transaction(
        {
            "type": 2,
            "chainId": 31_337,
            "nonce": nonce,
            "to": checksum(TO),
            "value": 0,
            "data": b"\x7f" * size,
            "gas": 400_000,
            "maxFeePerGas": 2_000_000_000,
            "maxPriorityFeePerGas": 1_000_000_000,
        },
        SECRET,
    )
    assert signed.raw == bytes(theirs.raw_transaction)
    assert signed.hash == bytes(theirs.hash)


def test_content_of_a_slot_does_not_depend_on_fees_or_nonce() -> None:
    one = UnsignedTx(1, 0, TO, 0, b"call", Fees(2, 1, 21_000))
    other = UnsignedTx(1, 9, TO, 0, b"call", Fees(20, 10, 42_000))

    assert one.content() == other.content()
    assert one.content() != UnsignedTx(1, 0, TO, 1, b"call", one.fees).content()
    assert one.content() != UnsignedTx(1, 0, TO, 0, b"cal", one.fees).content()
