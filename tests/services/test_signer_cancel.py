"""The canceller's wallet gives up vault ids, and can do nothing else; no other wallet can do that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]
from eth_abi.abi import decode

from bascule.domain.hashing import keccak
from bascule.entrypoints import signer_server
from bascule.services.signer import Signer
from bascule.services.signing_intents import CancelIntent, FeeOffer, Intent, SignerRefused
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_wallets
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, FEES, KEY, VAULT, Desk

CANCELLER = LocalKey(b"\x09" * 32)
HIGH_ID = 2**256 - 1


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    built = await Desk(await db_as("owner"), await db_as("signer")).set_up()
    async with built.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN, CANCELLER.address, role="canceller")
    return built


def cancel(*ids: int, **changes: Any) -> CancelIntent:
    asked = CancelIntent(CHAIN, CANCELLER.address, 0, 1, FEES, VAULT, ids or (3,))
    return msgspec.structs.replace(asked, **changes)


def signer(desk: Desk) -> Signer:
    return Signer(desk.db, [KEY, CANCELLER], desk.clock)


async def refusal(desk: Desk, intent: Intent) -> str:
    with pytest.raises(SignerRefused) as refused:
        await signer(desk).sign(intent)
    return refused.value.code


async def test_cancel_is_the_vaults_own_call_over_exactly_these_ids(desk: Desk) -> None:
    asked = cancel(3, 2**224 + 1, HIGH_ID)
    sent = msgspec.json.decode(msgspec.json.encode(asked), type=Intent)

    signed = await signer(desk).sign(sent)

    fields = rlp.decode(signed.raw[1:])
    assert (fields[5], fields[6]) == (VAULT, b"")
    assert fields[7][:4] == keccak(b"cancel(uint256[])")[:4]
    assert decode(["uint256[]"], fields[7][4:]) == ((3, 2**224 + 1, HIGH_ID),)
    assert (await signer(desk).sign(asked)).raw == signed.raw
    largest = msgspec.json.encode(cancel(*range(2**255, 2**255 + 256)))
    assert 2 * len(largest) < signer_server.BODY_MAX


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no ids": ({"ids": ()}, "intent_malformed"),
    "an id twice": ({"ids": (3, 3)}, "intent_malformed"),
    "falling ids": ({"ids": (4, 3)}, "intent_malformed"),
    "a negative id": ({"ids": (-1,)}, "intent_malformed"),
    "an id beyond the vault's": ({"ids": (2**256,)}, "intent_malformed"),
    "too many ids": ({"ids": tuple(range(257))}, "intent_malformed"),
    "a vault of 19 bytes": ({"vault": b"\x01" * 19}, "intent_malformed"),
    "a vault without limits": ({"vault": b"\x03" * 20}, "vault_unknown"),
    "another chain": ({"chain_id": 1}, "wallet_unknown"),
    "a lane's wallet": ({"wallet": KEY.address}, "wallet_unknown"),
    "a fee above the cap": ({"fees": FeeOffer(100_000_000_001, 1, 400_000)}, "fee_above_cap"),
    "gas above the cap": ({"fees": FeeOffer(2, 1, 16_000_001)}, "gas_above_cap"),
}


async def test_cancel_outside_the_rules_is_refused(desk: Desk) -> None:
    found = {name: await refusal(desk, cancel(**changes)) for name, (changes, _) in BAD.items()}

    assert found == {name: code for name, (_, code) in BAD.items()}
    assert (await desk.count("slots"), await desk.count("refusals")) == (0, len(BAD))


async def test_cancellers_wallet_pays_nothing_and_fills_its_own_slots(desk: Desk) -> None:
    assert await refusal(desk, desk.pay(wallet=CANCELLER.address)) == "wallet_unknown"

    await signer(desk).sign(desk.fill(wallet=CANCELLER.address))

    assert await refusal(desk, cancel()) == "slot_taken"
