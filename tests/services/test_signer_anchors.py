"""The anchor's wallet writes heads of seals, each seal's once, in rising order and at a bounded price."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]

from bascule.domain import anchor, stops
from bascule.domain.anchor import Anchored
from bascule.services import signer_heads
from bascule.services.signer import Signer
from bascule.services.signing_intents import AnchorIntent, FeeOffer, Intent, SignerRefused
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_anchors, signer_stops, signer_wallets
from bascule.storage.signer_ledger import SlotKey
from bascule.storage.signer_limits import FeeLimits
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, KEY, Desk

WALLET = LocalKey(b"\x0c" * 32)
HEAD, OTHER = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    built = await Desk(await db_as("owner"), await db_as("signer")).set_up()
    async with built.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN, WALLET.address, role="anchor")
        await signer_anchors.set(conn, CHAIN, WALLET.address, FeeLimits(10**11, 100_000))
    return built


def ask(seal: int = 5, head: bytes = HEAD, **changes: Any) -> AnchorIntent:
    fees = FeeOffer(2_000_000_000, 1_000_000_000, 60_000)
    return msgspec.structs.replace(AnchorIntent(CHAIN, WALLET.address, 0, 1, fees, seal, head), **changes)


async def answer(desk: Desk, intent: Intent) -> str:
    try:
        await Signer(desk.db, [KEY, WALLET], desk.clock).sign(intent)
    except SignerRefused as refused:
        return refused.code
    return "signed"


async def test_anchor_is_a_transaction_of_nothing_to_itself_that_says_the_head(desk: Desk) -> None:
    asked = msgspec.json.decode(msgspec.json.encode(ask()), type=Intent)

    signed = await Signer(desk.db, [WALLET], desk.clock).sign(asked)

    fields = rlp.decode(signed.raw[1:])
    assert (fields[5], fields[6]) == (WALLET.address, b"")
    assert fields[7] == b"bascule anchor 1" + (5).to_bytes(8, "big") + HEAD
    assert anchor.read(fields[7]) == Anchored(5, HEAD.hex())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no seal": ({"seal": 0}, "intent_malformed"),
    "a short head": ({"head": b"\x01" * 31}, "intent_malformed"),
    "a fee above the cap": ({"fees": FeeOffer(10**11 + 1, 1, 60_000)}, "fee_above_cap"),
    "gas above the cap": ({"fees": FeeOffer(2, 1, 100_001)}, "gas_above_cap"),
    "a lane's wallet": ({"wallet": KEY.address}, "wallet_unknown"),
    "another chain": ({"chain_id": 1}, "wallet_unknown"),
}


async def test_anchor_out_of_bounds_is_refused(desk: Desk) -> None:
    found = {name: await answer(desk, ask(**changes)) for name, (changes, _) in REFUSED.items()}

    assert found == {name: code for name, (_, code) in REFUSED.items()}
    assert await answer(desk, desk.pay(wallet=WALLET.address)) == "wallet_unknown"
    assert (await desk.count("slots"), await desk.count("anchors")) == (0, 0)


async def test_seal_has_one_head_and_no_earlier_one_follows(desk: Desk) -> None:
    """A bridge whose history was rewritten, or restored from before, finds a signer that remembers."""
    assert await answer(desk, ask()) == "signed"
    assert await answer(desk, ask(fees=FeeOffer(3_000_000_000, 2_000_000_000, 60_000))) == "signed"
    assert await answer(desk, ask(nonce=1)) == "signed", "the same head again, as the first nonce was lost"

    assert await answer(desk, ask(nonce=2, head=OTHER)) == "head_contradicts"
    assert await answer(desk, ask(nonce=2, seal=4)) == "seal_passed"
    assert await answer(desk, ask(nonce=2, seal=6, head=OTHER)) == "signed"


async def test_two_wallets_asked_at_once_sign_one_head_of_a_seal(desk: Desk) -> None:
    async with desk.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN + 1, WALLET.address, role="anchor")
        await signer_anchors.set(conn, CHAIN + 1, WALLET.address, FeeLimits(10**11, 100_000))
    kept = asyncio.Event()

    async def asked_meanwhile() -> str:
        await kept.wait()
        return await answer(desk, ask(chain_id=CHAIN + 1, head=OTHER))

    second = asyncio.create_task(asked_meanwhile())
    async with desk.db.transaction() as conn:
        await signer_heads.keep(conn, ask(), SlotKey(CHAIN, WALLET.address, 0), desk.clock.now())
        kept.set()
        await asyncio.wait({second}, timeout=0.3)

    assert await second == "head_contradicts"


async def test_kill_switch_stops_anchors_and_no_fill(desk: Desk) -> None:
    async with desk.owner.transaction() as conn:
        await signer_stops.set(conn, stops.wallet(WALLET.address), stopped=True, reason="a drill")

    assert await answer(desk, ask()) == "wallet_frozen"
    assert await answer(desk, desk.fill(wallet=WALLET.address)) == "signed"
