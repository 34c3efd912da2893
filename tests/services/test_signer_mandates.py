"""Automatic money out: the signer pays under a mandate what its approvers allowed, counted by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bascule.domain import stops
from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.mandate import CLAIMANT, Mandate
from bascule.services import signer_items
from bascule.services.signing_intents import GivenMandate, Intent, PayIntent, PayItem, SignerRefused
from bascule.storage import signer_limits, signer_rosters, signer_stops
from tests.support.money_out import START, OpenAs, approver, sign_typed
from tests.support.signing import ACCOUNT, CHAIN, DEADLINE, LIMITS, TOKEN, VAULT, Desk
from tests.support.waiting import somebody_waits

PAYEE, OTHER = Address(b"\x50" * 20), Address(b"\x51" * 20)
ENDS = int((START + timedelta(days=30)).timestamp())


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


def mandate(*by: int, vault: Address = VAULT, token: Address = TOKEN, **changes: Any) -> GivenMandate:
    """Refunds of at most 100 each and 250 a day to whoever claims, signed by 1 and 2 unless changed."""
    given = GivenMandate("mnd_1", ACCOUNT, "refund", CLAIMANT, 100, 250, ENDS, ())
    given = msgspec.structs.replace(given, **changes)
    text = Mandate(
        given.account_id, given.mandate_id, given.purpose, given.destination, token,
        given.max_per_item, given.max_per_day, given.expiry,
    )  # fmt: skip
    typed = text.typed_data(CHAIN, vault)
    signed = tuple(bytes.fromhex(sign_typed(approver(n), typed)[2:]) for n in by or (1, 2))
    return msgspec.structs.replace(given, approvals=signed)


def item(position: int = 0, **changes: Any) -> PayItem:
    made = PayItem(f"po_{position}", ACCOUNT, f"reference {position}", position, PAYEE, 100, mandate=0)
    return msgspec.structs.replace(made, **changes)


def pay(desk: Desk, *items: PayItem, under: GivenMandate | None = None, **changes: Any) -> PayIntent:
    return desk.pay(*(items or (item(),)), mandates=(under or mandate(),), **changes)


async def answer(desk: Desk, intent: Intent) -> list[str] | str:
    """`signed`, the code of the refusal, or those of the items it names."""
    try:
        await desk.signer().sign(intent)
    except SignerRefused as refused:
        return [each.code for each in refused.items] or refused.code
    return "signed"


async def test_payouts_under_a_mandate_need_no_approval_of_their_own(desk: Desk) -> None:
    asked = pay(desk, item(0), item(1, to=OTHER), desk.item(2))  # the third is approved by people
    sent = msgspec.json.decode(msgspec.json.encode(asked), type=Intent)

    assert await answer(desk, sent) == "signed"

    async with desk.owner.read() as conn:
        rows = await (await conn.execute("SELECT mandate_id FROM signer.items ORDER BY payout_id")).fetchall()
    assert rows == [("mnd_1",), ("mnd_1",), (None,)]


async def test_mandates_day_is_counted_by_the_signer_and_ages(desk: Desk) -> None:
    assert await answer(desk, pay(desk, item(0), item(1))) == "signed"
    assert await answer(desk, pay(desk, item(0), nonce=1)) == "signed"  # again after a revert: no new money

    over = pay(desk, item(2, amount=51), item(3, amount=50), nonce=2)
    assert await answer(desk, over) == ["mandate_day_exceeded"]
    again = pay(desk, item(4, amount=51), nonce=2, under=mandate(max_per_item=99))  # other words, same id
    assert await answer(desk, again) == ["mandate_day_exceeded"]
    assert await answer(desk, pay(desk, item(3, amount=50), nonce=2)) == "signed"

    desk.clock.advance(timedelta(hours=24, seconds=1))
    later = int(desk.clock.now().timestamp()) + 1_800
    assert await answer(desk, pay(desk, item(5), nonce=3, deadline=later)) == "signed"


async def test_mandates_day_counts_what_is_signed_again_under_it(desk: Desk) -> None:
    """Signed long ago, or by approvals of its own: what goes out under the mandate now is of its day."""
    assert await answer(desk, pay(desk, item(0), item(1))) == "signed"
    desk.clock.advance(timedelta(hours=25))
    people, soon = desk.item(2, payout_id="po_2"), {"deadline": desk.soon()}
    assert await answer(desk, desk.pay(people, item(3), nonce=1, mandates=(mandate(),), **soon)) == "signed"

    again = pay(desk, item(0), item(1), nonce=2, **soon)
    assert await answer(desk, again) == ["mandate_day_exceeded"]
    moved = pay(desk, item(0), item(2), nonce=2, **soon)
    assert await answer(desk, moved) == ["mandate_day_exceeded"]
    assert await answer(desk, pay(desk, item(2), nonce=2, **soon)) == "signed"
    assert await answer(desk, pay(desk, item(2), item(3), nonce=3, **soon)) == "signed", "counted today"
    assert await answer(desk, pay(desk, item(4, amount=51), nonce=4, **soon)) == ["mandate_day_exceeded"]


async def test_payout_id_that_two_lanes_ask_about_at_once_is_one_payout(desk: Desk) -> None:
    other, now = Address(b"\xc1" * 20), desk.clock.now()
    async with desk.owner.transaction() as conn:
        await signer_limits.set(conn, CHAIN, vault=VAULT, token=other, limits=LIMITS)
    little = pay(desk, item(0, amount=1))
    much = pay(
        desk, msgspec.structs.replace(item(1), payout_id="po_0"), token=other, under=mandate(token=other)
    )

    async with desk.owner.transaction() as conn:  # another lane's question, just before its commit
        await signer_items.bind(conn, little, now, frozenset())
        second = asyncio.create_task(answer(desk, much))
        await somebody_waits(conn)

    assert await second == ["content_changed"]  # or nothing of it would be counted
    assert (await desk.count("items"), await desk.count("slots")) == (1, 0)


BENT: dict[str, tuple[dict[str, Any], GivenMandate | None, str]] = {
    "one approver": ({}, mandate(1), "approvals_missing"),
    "a stranger": ({}, mandate(1, 9), "approver_unknown"),
    "a mandate for another vault": ({}, mandate(vault=OTHER), "approver_unknown"),
    "a mandate for another token": ({}, mandate(token=OTHER), "approver_unknown"),
    "a cap raised after signing": (
        {"amount": 101},
        msgspec.structs.replace(mandate(), max_per_item=101),
        "approver_unknown",
    ),
    "an account without a roster": (
        {"account_id": "acct_2"},
        mandate(account_id="acct_2"),
        "roster_unknown",
    ),
    "another account's payout": ({"account_id": "acct_2"}, None, "not_in_mandate"),
    "one unit over its item": ({"amount": 101}, None, "mandate_item_exceeded"),
    "another destination": ({"to": OTHER}, mandate(destination=checksum(PAYEE)), "not_in_mandate"),
    "approvals beside it": ({"approvals": (b"\x01" * 65,)}, None, "not_in_mandate"),
    "a mandate that is over": ({}, mandate(expiry=1), "mandate_expired"),
    "a mandate that ends before the batch": ({}, mandate(expiry=DEADLINE - 1), "deadline_after_mandate"),
    "another purpose": ({}, msgspec.structs.replace(mandate(), purpose="salary"), "mandate_invalid"),
}


async def test_payout_outside_its_mandate_is_named(desk: Desk) -> None:
    found = {
        name: await answer(desk, pay(desk, item(**changes), under=under))
        for name, (changes, under, _) in BENT.items()
    }

    assert found == {name: [code] for name, (_, _, code) in BENT.items()}
    assert await answer(desk, pay(desk, item(mandate=1))) == "intent_malformed"
    assert await answer(desk, desk.pay(item(), mandates=(mandate(), mandate()))) == "intent_malformed"
    assert (await desk.count("slots"), await desk.count("items")) == (0, 0)


async def test_hard_limits_hold_under_a_mandate_too(desk: Desk) -> None:
    wide = mandate(max_per_item=5_000, max_per_day=5_000)

    assert await answer(desk, pay(desk, item(amount=1_001), under=wide)) == ["item_limit_exceeded"]


async def test_mandate_ends_by_revocation_and_when_its_approvers_leave_the_roster(desk: Desk) -> None:
    scope = stops.mandate("mnd_1")
    for stopped, expected in ((True, ["mandate_revoked"]), (False, "signed")):
        async with desk.owner.transaction() as conn:
            await signer_stops.set(conn, scope, stopped=stopped, reason="a drill")
        assert await answer(desk, pay(desk)) == expected

    people = [parse_address(approver(number).address) for number in (2, 3, 4)]
    async with desk.owner.transaction() as conn:
        await signer_rosters.add(conn, ACCOUNT, version=2, threshold=2, members=people)
    assert await answer(desk, pay(desk, item(1), nonce=1)) == ["approver_unknown"]
    assert await answer(desk, pay(desk, item(1), nonce=1, under=mandate(2, 3))) == "signed"
