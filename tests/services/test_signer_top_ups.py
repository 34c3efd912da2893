"""The gas wallet sends coin and tokens along registered routes, within the limits of each, nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]
from eth_account import Account

from bascule.domain import stops
from bascule.domain.chain import ZERO_ADDRESS, Address, checksum
from bascule.domain.hashing import keccak
from bascule.services.signer import Signer
from bascule.services.signing_intents import FeeOffer, Intent, SignerRefused, TopUpIntent
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_stops, signer_top_ups, signer_wallets
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_top_ups import Route
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, KEY, TOKEN, VAULT, Desk

SOURCE = LocalKey(b"\x0b" * 32)
LIMITS = HardLimits(max_per_item=100, max_per_day=250, max_fee_per_gas=10**11, max_gas=100_000)
COIN = Route(CHAIN, SOURCE.address, ZERO_ADDRESS, KEY.address)
FLOAT = Route(CHAIN, SOURCE.address, TOKEN, VAULT)


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    built = await Desk(await db_as("owner"), await db_as("signer")).set_up()
    async with built.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN, SOURCE.address, role="gas")
        for route in (COIN, FLOAT):
            await signer_top_ups.set(conn, route, LIMITS)
    return built


def top_up(route: Route = COIN, amount: int = 100, **changes: Any) -> TopUpIntent:
    fees = FeeOffer(2_000_000_000, 1_000_000_000, 60_000)
    asked = TopUpIntent(CHAIN, SOURCE.address, 0, 1, fees, route.asset, route.destination, amount)
    return msgspec.structs.replace(asked, **changes)


async def answer(desk: Desk, intent: Intent) -> str:
    try:
        await Signer(desk.db, [KEY, SOURCE], desk.clock).sign(intent)
    except SignerRefused as refused:
        return refused.code
    return "signed"


async def test_coin_goes_as_value_and_a_token_by_its_own_transfer(desk: Desk) -> None:
    signer = Signer(desk.db, [SOURCE], desk.clock)

    coin = await signer.sign(msgspec.json.decode(msgspec.json.encode(top_up(amount=7)), type=Intent))
    token = await signer.sign(top_up(FLOAT, 9, nonce=1))

    fields = rlp.decode(coin.raw[1:])
    assert (fields[5], int.from_bytes(fields[6], "big"), fields[7]) == (KEY.address, 7, b"")
    fields = rlp.decode(token.raw[1:])
    called = keccak(b"transfer(address,uint256)")[:4] + VAULT.rjust(32, b"\0") + (9).to_bytes(32, "big")
    assert (fields[5], fields[6], fields[7]) == (TOKEN, b"", called)
    assert Account.recover_transaction(token.raw) == checksum(SOURCE.address)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a destination nobody registered": ({"to": Address(b"\x66" * 20)}, "route_unknown"),
    "another token": ({"asset": b"\xc3" * 20}, "route_unknown"),
    "the coin to the vault": ({"to": VAULT}, "route_unknown"),
    "one unit over the limit": ({"amount": 101}, "item_limit_exceeded"),
    "nothing": ({"amount": 0}, "intent_malformed"),
    "less than nothing": ({"amount": -1}, "intent_malformed"),
    "a short address": ({"to": b"\x66" * 19}, "intent_malformed"),
    "a short asset": ({"asset": b""}, "intent_malformed"),
    "a fee above the cap": ({"fees": FeeOffer(10**11 + 1, 1, 60_000)}, "fee_above_cap"),
    "gas above the cap": ({"fees": FeeOffer(2, 1, 100_001)}, "gas_above_cap"),
    "a lane's wallet": ({"wallet": KEY.address}, "wallet_unknown"),
    "another chain": ({"chain_id": 1}, "wallet_unknown"),
}


async def test_top_up_outside_its_route_is_refused(desk: Desk) -> None:
    found = {name: await answer(desk, top_up(**changes)) for name, (changes, _) in REFUSED.items()}

    assert found == {name: code for name, (_, code) in REFUSED.items()}
    assert await answer(desk, desk.pay(wallet=SOURCE.address)) == "wallet_unknown"
    assert (await desk.count("slots"), await desk.count("top_ups")) == (0, 0)


async def test_each_route_has_its_own_day_and_a_repeated_question_counts_once(desk: Desk) -> None:
    for nonce, amount in enumerate((100, 100, 50)):
        assert await answer(desk, top_up(amount=amount, nonce=nonce)) == "signed"
        assert await answer(desk, top_up(amount=amount, nonce=nonce)) == "signed"
        dearer = FeeOffer(3_000_000_000, 2_000_000_000, 60_000)
        assert await answer(desk, top_up(amount=amount, nonce=nonce, fees=dearer)) == "signed"

    assert await answer(desk, top_up(FLOAT, nonce=4)) == "nonce_skipped", "a memory that forgot the fourth"
    assert await answer(desk, top_up(amount=1, nonce=3)) == "day_limit_exceeded"
    assert await answer(desk, top_up(FLOAT, 100, nonce=3)) == "signed"
    desk.clock.advance(timedelta(hours=24, seconds=1))
    assert await answer(desk, top_up(amount=100, nonce=4)) == "signed"


async def test_new_limits_denials_and_freezes_rule_from_their_commit_on(desk: Desk) -> None:
    async with desk.owner.transaction() as conn:
        await signer_top_ups.set(conn, COIN, replace(LIMITS, max_per_item=10))
        await signer_stops.set(conn, stops.token(CHAIN, TOKEN), stopped=True, reason="a drill")
    assert await answer(desk, top_up(amount=11)) == "item_limit_exceeded"
    assert await answer(desk, top_up(FLOAT)) == "frozen"

    async with desk.owner.transaction() as conn:
        await signer_stops.set(conn, stops.destination(KEY.address), stopped=True, reason="a drill")
    assert await answer(desk, top_up(amount=10)) == "destination_denied"
    assert await answer(desk, desk.fill(wallet=SOURCE.address)) == "signed"
