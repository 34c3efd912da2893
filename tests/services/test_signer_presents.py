"""The facilitator's wallet presents payers' authorizations to registered tokens, within a day's gas."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]

from bascule.chain.abi import artifact
from bascule.domain import stops
from bascule.services.signer import Signer
from bascule.services.signing_intents import AuthorizationIntent, FeeOffer, Intent, SignerRefused
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_authorizations, signer_stops, signer_wallets
from bascule.storage.signer_authorizations import PresentLimits
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, KEY, TOKEN, Desk

WALLET = LocalKey(b"\x0d" * 32)
GWEI = 10**9
METHOD = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    built = await Desk(await db_as("owner"), await db_as("signer")).set_up()
    limits = PresentLimits(frozenset({TOKEN}), 100 * GWEI, 200_000, 2 * 150_000 * 100 * GWEI)
    async with built.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN, WALLET.address, role="x402")
        await signer_authorizations.set(conn, CHAIN, WALLET.address, limits)
    return built


def ask(**changes: Any) -> AuthorizationIntent:
    asked = AuthorizationIntent(
        CHAIN, WALLET.address, 0, 1, FeeOffer(2 * GWEI, GWEI, 150_000), TOKEN, b"\x01" * 20, b"\x02" * 20,
        5, 6, 2**256 - 1, b"\x03" * 32, b"\x04" * 32 + b"\x05" * 32 + b"\x00",
    )  # fmt: skip
    return msgspec.structs.replace(asked, **changes)


async def answer(desk: Desk, intent: Intent) -> str:
    try:
        await Signer(desk.db, [KEY, WALLET], desk.clock).sign(intent)
    except SignerRefused as refused:
        return refused.code
    return "signed"


async def test_authorization_is_the_call_that_its_payer_signed(desk: Desk) -> None:
    asked = msgspec.json.decode(msgspec.json.encode(ask()), type=Intent)

    signed = await Signer(desk.db, [WALLET], desk.clock).sign(asked)

    fields = rlp.decode(signed.raw[1:])
    assert (fields[5], fields[6]) == (TOKEN, b"")
    assert fields[7] == artifact("TestDollar").calldata(
        METHOD, b"\x01" * 20, b"\x02" * 20, 5, 6, 2**256 - 1, b"\x03" * 32, 27, b"\x04" * 32, b"\x05" * 32
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another token": ({"token": b"\x09" * 20}, "token_unknown"),
    "a smart wallet's signature": ({"signature": b"\x04" * 96}, "intent_malformed"),
    "an amount of 257 bits": ({"amount": 2**256}, "intent_malformed"),
    "a short nonce": ({"authorization_nonce": b"\x03" * 31}, "intent_malformed"),
    "a fee above the cap": ({"fees": FeeOffer(101 * GWEI, 1, 150_000)}, "fee_above_cap"),
    "gas above the cap": ({"fees": FeeOffer(2, 1, 200_001)}, "gas_above_cap"),
    "a lane's wallet": ({"wallet": KEY.address}, "wallet_unknown"),
}


async def test_authorization_out_of_bounds_is_refused(desk: Desk) -> None:
    found = {name: await answer(desk, ask(**changes)) for name, (changes, _) in REFUSED.items()}

    assert found == {name: code for name, (_, code) in REFUSED.items()}
    assert await answer(desk, desk.pay(wallet=WALLET.address)) == "wallet_unknown"
    assert (await desk.count("slots"), await desk.count("authorizations")) == (0, 0)


async def test_day_has_its_gas_counted_at_the_most_it_can_cost(desk: Desk) -> None:
    assert [await answer(desk, ask(nonce=nonce)) for nonce in range(3)] == [
        "signed",
        "signed",
        "gas_budget_spent",
    ]
    dearer = ask(nonce=1, fees=FeeOffer(99 * GWEI, GWEI, 150_000))
    assert await answer(desk, dearer) == "signed", "a bump was counted before"

    desk.clock.advance(timedelta(hours=24, seconds=1))
    assert await answer(desk, ask(nonce=2)) == "signed"


async def test_frozen_token_and_kill_switch_stop_it_and_no_fill(desk: Desk) -> None:
    for scope, code in (
        (stops.token(CHAIN, TOKEN), "frozen"),
        (stops.wallet(WALLET.address), "wallet_frozen"),
    ):
        async with desk.owner.transaction() as conn:
            await signer_stops.set(conn, scope, stopped=True, reason="a drill")
        assert await answer(desk, ask()) == code
    assert await answer(desk, desk.fill(wallet=WALLET.address)) == "signed"
