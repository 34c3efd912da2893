"""The words of x402: networks of both versions, and what is no payment is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from bascule.chain.signatures import recover
from bascule.domain.authorization import Authorization, SigningDomain
from bascule.domain.chain import Address, parse_address
from bascule.domain.x402 import Reason, Refused, chain_of
from bascule.services.x402_request import read
from tests.support.authorizations import Dollar

KEY = "0x" + "11" * 32
DOLLAR = Dollar(84532, "0x" + "c0" * 20, "USD Coin", "2")
PAY_TO = "0x" + "d0" * 20
NONCE = bytes(range(32))


def version_1(payment: dict[str, Any]) -> dict[str, Any]:
    """The same payment in the first version's words."""
    required = payment["paymentRequirements"] | {"network": "base-sepolia", "resource": "https://shop.test/a"}
    required["maxAmountRequired"] = required.pop("amount")
    payload = {"x402Version": 1, "scheme": "exact", "network": "base-sepolia"}
    payload |= {"payload": payment["paymentPayload"]["payload"]}
    return {"x402Version": 1, "paymentPayload": payload, "paymentRequirements": required}


def asked(payment: dict[str, Any]) -> Any:
    return read(payment["x402Version"], payment["paymentPayload"], payment["paymentRequirements"])


def test_both_versions_say_the_same_payment() -> None:
    payment = DOLLAR.payment(KEY, PAY_TO, 1_000, NONCE, 2_000_000_000)

    second, first = asked(payment), asked(version_1(payment))

    assert (second.signed, second.chain_id, second.amount) == (first.signed, first.chain_id, first.amount)
    assert (second.network, first.network) == ("eip155:84532", "base-sepolia")
    assert first.resource == "https://shop.test/a"


@given(
    amount=st.integers(1, 2**256 - 1),
    until=st.integers(0, 2**256 - 1),
    nonce=st.binary(min_size=32, max_size=32),
)
def test_what_wallets_sign_is_what_we_recover(amount: int, until: int, nonce: bytes) -> None:
    read_ = asked(DOLLAR.payment(KEY, PAY_TO, amount, nonce, until))

    digest = read_.signed.digest(84532, parse_address(DOLLAR.contract), SigningDomain("USD Coin", "2"))

    assert (
        recover(digest, read_.signature) == parse_address(Account.from_key(KEY).address) == read_.signed.payer
    )


BROKEN: dict[str, tuple[dict[str, Any], Reason]] = {
    "no payload": ({"payload": None}, Reason.PAYLOAD),
    "Permit2": ({"payload": {"signature": "0x", "permit2Authorization": {}}}, Reason.PAYLOAD),
    "another scheme": ({"accepted": {"scheme": "upto"}}, Reason.SCHEME),
    "another version inside": ({"x402Version": 1}, Reason.VERSION),
    "nothing accepted": ({"accepted": None}, Reason.PAYLOAD),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_refused_by_name(name: str) -> None:
    payment = DOLLAR.payment(KEY, PAY_TO, 1_000, NONCE, 2_000_000_000)
    changes, reason = BROKEN[name]

    with pytest.raises(Refused) as no:
        read(2, payment["paymentPayload"] | changes, payment["paymentRequirements"])

    assert no.value.reason is reason


@pytest.mark.parametrize("value", ["1e3", "-1", "0x10", " 1", "\uff11", "01", str(2**256), 1000, None])
def test_amount_that_is_no_whole_number_in_a_string_is_refused(value: Any) -> None:
    payment = DOLLAR.payment(KEY, PAY_TO, 1_000, NONCE, 2_000_000_000)
    payment["paymentPayload"]["payload"]["authorization"]["value"] = value

    with pytest.raises(Refused):
        asked(payment)


def test_payer_who_accepted_something_else_is_refused() -> None:
    payment = DOLLAR.payment(KEY, PAY_TO, 1_000, NONCE, 2_000_000_000)
    payment["paymentRequirements"] = payment["paymentRequirements"] | {"amount": "2000"}

    with pytest.raises(Refused) as no:
        asked(payment)

    assert no.value.reason is Reason.REQUIREMENTS


@pytest.mark.parametrize(
    "network", ["solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "eip155:0", "eip155:1 ", "base"]
)
def test_network_that_is_none_of_ours_is_refused(network: str) -> None:
    with pytest.raises(Refused):
        chain_of(network, 2)


@pytest.mark.parametrize(("until", "verdict"), [(105, "late"), (106, None), (2**256 - 1, None)])
def test_authorization_needs_six_seconds(until: int, verdict: str | None) -> None:
    said = Authorization(Address(bytes(20)), Address(bytes(20)), 1, 100, until, NONCE)

    assert said.untimely(100) == verdict


def test_authorization_that_begins_later_is_early() -> None:
    said = Authorization(Address(bytes(20)), Address(bytes(20)), 1, 100, 2**256 - 1, NONCE)

    assert said.untimely(99) == "early"
