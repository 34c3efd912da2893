"""What an operator stopped is not signed, whoever approved it; nonces can be filled and ids given up."""

from __future__ import annotations

import asyncio
from contextvars import Context

import pytest

from bascule.domain import stops
from bascule.domain.chain import Address
from bascule.services.signer import Signer
from bascule.services.signing_intents import CancelIntent, FeeOffer, Intent, SignerRefused
from bascule.signing.keystore import LocalKey
from bascule.storage import signer_ledger, signer_stops, signer_wallets
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs
from tests.support.signing import CHAIN, FEES, KEY, TOKEN, VAULT, Desk
from tests.support.waiting import somebody_waits

CANCELLER = LocalKey(b"\x09" * 32)
PAYEE = Address(b"\x50" * 20)


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    built = await Desk(await db_as("owner"), await db_as("signer")).set_up()
    async with built.owner.transaction() as conn:
        await signer_wallets.add(conn, CHAIN, CANCELLER.address, role="canceller")
    return built


async def turn(desk: Desk, scope: str, *, stopped: bool) -> None:
    async with desk.owner.transaction() as conn:
        await signer_stops.set(conn, scope, stopped=stopped, reason="a drill")


async def answer(desk: Desk, intent: Intent) -> str:
    """`signed`, or the code of the refusal; of the one item where one is named."""
    try:
        await Signer(desk.db, [KEY, CANCELLER], desk.clock).sign(intent)
    except SignerRefused as refused:
        return refused.items[0].code if refused.items else refused.code
    return "signed"


SCOPES = {
    stops.ALL: "frozen",
    stops.chain(CHAIN): "frozen",
    stops.token(CHAIN, TOKEN): "frozen",
    stops.wallet(KEY.address): "wallet_frozen",
    stops.destination(PAYEE): "destination_denied",
}
ELSEWHERE = (
    stops.chain(1),
    stops.token(CHAIN, VAULT),
    stops.token(1, TOKEN),
    stops.wallet(CANCELLER.address),
    stops.destination(VAULT),
)


async def test_every_scope_stops_payments_until_it_is_released(desk: Desk) -> None:
    for nonce, (scope, code) in enumerate(SCOPES.items()):
        asked = desk.pay(desk.item(nonce), nonce=nonce)
        await turn(desk, scope, stopped=True)
        assert await answer(desk, asked) == code, scope
        await turn(desk, scope, stopped=False)
        assert await answer(desk, asked) == "signed", scope


@pytest.mark.parametrize("scope", [stops.ALL, stops.destination(PAYEE)])
async def test_question_that_waited_for_another_lanes_meets_what_was_stopped_meanwhile(
    desk: Desk, scope: str
) -> None:
    async with desk.owner.transaction() as conn:  # another lane's question of the same token
        await signer_ledger.serialize_spending(conn, CHAIN, VAULT, TOKEN)
        waiting = asyncio.create_task(answer(desk, desk.pay()), context=Context())
        await somebody_waits(conn)
        await signer_stops.set(conn, scope, stopped=True, reason="a drill")

    assert await waiting == SCOPES[scope]
    assert await desk.count("items") == 0


async def test_what_is_stopped_elsewhere_stops_nothing_here(desk: Desk) -> None:
    for scope in ELSEWHERE:
        await turn(desk, scope, stopped=True)

    assert await answer(desk, desk.pay()) == "signed"


async def test_bytes_that_are_out_stay_known_and_get_no_higher_fee_while_frozen(desk: Desk) -> None:
    asked = desk.pay()
    assert await answer(desk, asked) == "signed"
    await turn(desk, stops.ALL, stopped=True)

    assert await answer(desk, asked) == "signed"
    assert await answer(desk, desk.pay(fees=FeeOffer(9, 8, 400_000))) == "frozen"
    assert await desk.count("signatures") == 1


async def test_bytes_that_are_out_get_a_higher_fee_while_frozen_where_that_is_set_and_nothing_else_does(
    desk: Desk,
) -> None:
    signer = Signer(desk.db, [KEY], desk.clock, bumps_frozen=True)
    await signer.sign(desk.pay())
    await turn(desk, stops.ALL, stopped=True)

    await signer.sign(desk.pay(fees=FeeOffer(9, 8, 400_000)))
    assert await desk.count("signatures") == 2
    with pytest.raises(SignerRefused, match="froze"):
        await signer.sign(desk.pay(desk.item(1), nonce=1))
    await turn(desk, stops.wallet(KEY.address), stopped=True)
    with pytest.raises(SignerRefused, match="kill switch"):
        await signer.sign(desk.pay(fees=FeeOffer(12, 11, 400_000)))


async def test_slot_that_was_bound_and_never_signed_is_not_out(desk: Desk) -> None:
    with pytest.raises(Crash):
        await desk.signer(Crashing("signer.after_intent_commit")).sign(desk.pay())
    await turn(desk, stops.ALL, stopped=True)

    with pytest.raises(SignerRefused, match="froze"):
        await Signer(desk.db, [KEY], desk.clock, bumps_frozen=True).sign(desk.pay())
    assert await desk.count("signatures") == 0


async def test_question_asked_again_and_again_while_frozen_is_kept_once(desk: Desk) -> None:
    await turn(desk, stops.ALL, stopped=True)
    one, another = desk.pay(), desk.pay(desk.item(1))

    for asked in (one, another, one, another, one):
        assert await answer(desk, asked) == "frozen"

    assert await desk.count("refusals") == 2


async def test_nonces_are_filled_and_ids_given_up_while_all_is_frozen(desk: Desk) -> None:
    await turn(desk, stops.ALL, stopped=True)

    cancel = CancelIntent(CHAIN, CANCELLER.address, 0, 1, FEES, VAULT, (3,))
    assert [await answer(desk, desk.fill()), await answer(desk, cancel)] == ["signed", "signed"]

    await turn(desk, stops.wallet(CANCELLER.address), stopped=True)
    another = CancelIntent(CHAIN, CANCELLER.address, 1, 1, FEES, VAULT, (4,))
    assert await answer(desk, another) == "wallet_frozen"


async def test_denied_destination_is_named_and_the_rest_of_the_batch_can_be_asked_again(desk: Desk) -> None:
    bad = Address(b"\x66" * 20)
    await turn(desk, stops.destination(bad), stopped=True)

    with pytest.raises(SignerRefused) as refused:
        await desk.signer().sign(desk.pay(desk.item(0), desk.item(1, to=bad)))

    assert [(item.name, item.code) for item in refused.value.items] == [("po_1", "destination_denied")]
    assert await answer(desk, desk.fill()) == "signed"
    assert await answer(desk, desk.pay(desk.item(0), nonce=1)) == "signed"
