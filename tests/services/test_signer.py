"""The signer obeys its own rosters and limits, and remembers what it signed before the bytes leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]
from coincurve import PrivateKey
from coincurve._libsecp256k1 import ffi
from eth_account import Account

from bascule.domain import vault as layout
from bascule.domain.chain import Address, checksum, parse_address
from bascule.services.signer import Signer
from bascule.services.signing_intents import FeeOffer, Intent, RulesQuestion, SignerRefused
from bascule.storage import signer_limits, signer_rosters, signer_wallets
from tests.support.cases import case
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, approver
from tests.support.signing import (
    ACCOUNT,
    CHAIN,
    DEADLINE,
    FEES,
    KEY,
    LIMITS,
    SECRET,
    TOKEN,
    VAULT,
    Desk,
    approval,
)


class FickleKey:
    """Signs another way each time, as a KMS without RFC 6979 does, once `parties` questions have come."""

    def __init__(self, parties: int) -> None:
        self._key, self.address, self.parties = PrivateKey(SECRET), KEY.address, parties
        self.given: set[bytes] = set()
        self._all_here = asyncio.Barrier(parties)

    async def sign(self, digest: bytes) -> bytes:
        await self._all_here.wait()
        salt = ffi.new("unsigned char[32]", len(self.given).to_bytes(32, "big"))
        signature = self._key.sign_recoverable(digest, hasher=None, custom_nonce=(ffi.NULL, salt))
        self.given.add(signature)
        return signature


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


def people(number: int) -> Address:
    return parse_address(approver(number).address)


async def refusal(desk: Desk, intent: Intent) -> SignerRefused:
    with pytest.raises(SignerRefused) as refused:
        await desk.signer().sign(intent)
    return refused.value


async def test_signed_bytes_are_the_call_the_intent_means(desk: Desk) -> None:
    await desk.begins_at(5)
    asked = desk.pay(desk.item(0), desk.item(3, amount=7), nonce=5)

    signed = await desk.signer().sign(asked)

    assert Account.recover_transaction(signed.raw) == checksum(KEY.address)
    fields = rlp.decode(signed.raw[1:])
    assert int.from_bytes(fields[0], "big") == CHAIN
    assert (int.from_bytes(fields[1], "big"), fields[5], fields[6]) == (5, VAULT, b"")
    expected = layout.Batch(
        token=TOKEN,
        lane=0,
        expected_head=layout.FIRST_HEAD,
        word=0,
        items=(
            layout.pack_item(0, 100, Address(b"\x50" * 20)),
            layout.pack_item(3, 7, Address(b"\x50" * 20)),
        ),
        tags=(layout.tag("reference 0"), layout.tag("reference 3")),
        deadline=DEADLINE,
    )
    assert fields[7] == expected.calldata()


async def test_same_question_gets_the_same_bytes_for_ever(desk: Desk) -> None:
    asked = desk.pay()
    first = await desk.signer().sign(asked)
    desk.clock.advance(timedelta(days=30))  # the approvals are long over, the answer stands

    again = await desk.signer().sign(msgspec.structs.replace(asked, epoch=9))

    assert again == first
    assert (await desk.count("slots"), await desk.count("signatures")) == (1, 1)


async def test_same_question_asked_at_once_gets_one_answer(desk: Desk) -> None:
    signer, asked = desk.signer(), desk.pay()

    answers = await asyncio.gather(*(signer.sign(asked) for _ in range(4)))

    assert len({answer.raw for answer in answers}) == 1
    assert await desk.count("signatures") == 1


async def test_key_that_never_signs_alike_still_gives_one_answer(desk: Desk) -> None:
    key = FickleKey(parties=3)
    signer, asked = Signer(desk.db, [key], desk.clock), desk.pay()

    answers = await asyncio.gather(*(signer.sign(asked) for _ in range(key.parties)))

    assert len(key.given) == key.parties
    assert len({answer.raw for answer in answers}) == 1
    assert await signer.sign(asked) == answers[0]
    assert await desk.count("signatures") == 1


async def test_higher_fees_are_another_signature_of_the_same_slot(desk: Desk) -> None:
    asked = desk.pay()
    first = await desk.signer().sign(asked)

    bumped = await desk.signer().sign(desk.pay(fees=FeeOffer(3_000_000_000, 2_000_000_000, 400_000)))

    assert bumped.tx_hash != first.tx_hash
    assert (await desk.count("slots"), await desk.count("items"), await desk.count("signatures")) == (1, 1, 2)


@pytest.mark.parametrize(
    "name", ["signer.after_intent_commit", "signer.before_bytes_commit", "signer.after_bytes_commit"]
)
async def test_crashed_signer_answers_the_same_question_later(desk: Desk, name: str) -> None:
    asked = desk.pay()
    with pytest.raises(Crash):
        await desk.signer(Crashing(name)).sign(asked)
    desk.clock.advance(timedelta(days=2))

    await desk.signer().sign(asked)

    assert (await desk.count("slots"), await desk.count("signatures")) == (1, 1)
    assert (await refusal(desk, desk.fill())).code == "slot_taken"


CONTENT: dict[str, Callable[[Desk], Intent]] = {
    "another head": lambda desk: desk.pay(expected_head=b"\x01" * 32),
    "another deadline": lambda desk: desk.pay(deadline=DEADLINE + 1),
    "another payee": lambda desk: desk.pay(desk.item(to=b"\x51" * 20)),
    "one more item": lambda desk: desk.pay(desk.item(), desk.item(1)),
    "a fill": lambda desk: desk.fill(),
}


@pytest.mark.parametrize("other", CONTENT.values(), ids=CONTENT.keys())
async def test_nonce_is_bound_to_one_content_for_ever(desk: Desk, other: Callable[[Desk], Intent]) -> None:
    await desk.signer().sign(desk.pay())

    assert (await refusal(desk, other(desk))).code == "slot_taken"


WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown wallet": ({"wallet": b"\x99" * 20}, "wallet_unknown"),
    "a wallet of another chain": ({"chain_id": 1}, "wallet_unknown"),
    "a wallet of 19 bytes": ({"wallet": b"\x99" * 19}, "intent_malformed"),
    "a fee above the cap": ({"fees": FeeOffer(100_000_000_001, 1, 400_000)}, "fee_above_cap"),
    "gas above the cap": ({"fees": FeeOffer(2, 1, 16_000_001)}, "gas_above_cap"),
    "a tip above the fee": ({"fees": FeeOffer(1, 2, 400_000)}, "intent_malformed"),
    "no gas": ({"fees": FeeOffer(2, 1, 20_999)}, "intent_malformed"),
    "a word of another lane": ({"word": 1 << 216}, "intent_malformed"),
    "no items": ({"items": ()}, "intent_malformed"),
    "a negative nonce": ({"nonce": -1}, "intent_malformed"),
    "epoch zero": ({"epoch": 0}, "intent_malformed"),
    "a short head": ({"expected_head": b""}, "intent_malformed"),
    "a deadline beyond uint64": ({"deadline": 2**64}, "intent_malformed"),
    "a deadline beyond any batch's life": ({"deadline": DEADLINE + 1_801}, "deadline_too_late"),
}


async def test_question_outside_the_rules_is_refused_whole(desk: Desk) -> None:
    for number, (name, (changes, code)) in enumerate(WHOLE.items(), start=1):
        with case(name):
            assert (await refusal(desk, desk.pay(**changes))).code == code
            kept = [await desk.count(table) for table in ("slots", "items", "refusals")]
            assert kept == [0, 0, number]


ITEMS: dict[str, tuple[dict[str, Any], str]] = {
    "one approval": ({"by": (1,)}, "approvals_missing"),
    "no approval": ({"by": ()}, "approvals_missing"),
    "the same person twice": ({"by": (1, 1)}, "approvals_missing"),
    "a stranger": ({"by": (1, 4)}, "approver_unknown"),
    "a stranger beside two members": ({"by": (1, 2, 4)}, "approver_unknown"),
    "another account": ({"account_id": "acct_other"}, "roster_unknown"),
    "an older roster": ({"roster_version": 0}, "roster_not_current"),
    "a newer roster": ({"roster_version": 2}, "roster_not_current"),
    "an expiry that is over": ({"expiry": 1}, "approval_expired"),
    "an expiry beyond uint64": ({"expiry": 2**64}, "approval_expired"),
    "an expiry before the batch's deadline": ({"expiry": DEADLINE - 1}, "deadline_after_approval"),
    "too much for one item": ({"amount": 1_001}, "item_limit_exceeded"),
    "half a signature": ({"approvals": (b"\x01" * 64,)}, "signature_invalid"),
    "no signature at all": ({"approvals": (bytes(65), bytes(65))}, "signature_invalid"),
}


async def test_item_that_may_not_be_paid_is_named(desk: Desk) -> None:
    for name, (changes, code) in ITEMS.items():
        with case(name):
            refused = await refusal(desk, desk.pay(desk.item(0), desk.item(1, **changes), desk.item(2)))

            assert refused.code == "items_refused"
            assert [(item.name, item.code) for item in refused.items] == [("po_1", code)]
            assert (await desk.count("slots"), await desk.count("items")) == (0, 0)


REPLAYS: dict[str, dict[str, Any]] = {
    "another payout": {"payout_id": "po_9"},
    "another amount": {"amount": 101},
    "another payee": {"to": b"\x51" * 20},
}


@pytest.mark.parametrize("changes", REPLAYS.values(), ids=REPLAYS.keys())
async def test_approval_of_other_content_counts_for_nothing(desk: Desk, changes: dict[str, Any]) -> None:
    honest = desk.item()

    refused = await refusal(desk, desk.pay(desk.item(approvals=honest.approvals, **changes)))

    assert [item.code for item in refused.items] == ["approver_unknown"]


async def test_token_and_vault_without_limits_are_not_signed_for(desk: Desk) -> None:
    for place in ({"vault": Address(b"\x03" * 20)}, {"token": Address(b"\xc3" * 20)}):
        item = desk.item()
        signed = tuple(approval(item, number, **place) for number in (1, 2))

        refused = await refusal(desk, desk.pay(msgspec.structs.replace(item, approvals=signed), **place))

        assert [each.code for each in refused.items] == ["token_not_allowed"]


async def test_approval_for_another_chain_vault_or_token_counts_for_nothing(desk: Desk) -> None:
    item = desk.item()
    for place in ({"chain_id": 1}, {"vault": Address(b"\x03" * 20)}, {"token": Address(b"\xc3" * 20)}):
        signed = tuple(approval(item, number, **place) for number in (1, 2))

        refused = await refusal(desk, desk.pay(msgspec.structs.replace(item, approvals=signed)))

        assert [each.code for each in refused.items] == ["approver_unknown"]


async def test_payout_keeps_its_vault_id_and_content_in_later_slots(desk: Desk) -> None:
    await desk.signer().sign(desk.pay(desk.item(0)))

    await desk.signer().sign(desk.pay(desk.item(0), nonce=1, expected_head=b"\x01" * 32))
    moved = await refusal(desk, desk.pay(desk.item(1, payout_id="po_0"), nonce=2))
    taken = await refusal(desk, desk.pay(desk.item(0, payout_id="po_7"), nonce=2))
    raised = await refusal(desk, desk.pay(desk.item(0, amount=101), nonce=2))

    assert {item.code for each in (moved, taken, raised) for item in each.items} == {"content_changed"}
    assert await desk.count("items") == 1


async def test_daily_limit_counts_each_payout_once_and_ages(desk: Desk) -> None:
    signer = desk.signer()
    await signer.sign(desk.pay(desk.item(0, amount=1_000), desk.item(1, amount=1_000)))
    await signer.sign(desk.pay(desk.item(0, amount=1_000), nonce=1))  # again after a revert: no new money

    refused = await refusal(desk, desk.pay(desk.item(2, amount=501), desk.item(3, amount=500), nonce=2))
    assert [(item.name, item.code) for item in refused.items] == [("po_2", "day_limit_exceeded")]

    desk.clock.advance(timedelta(hours=24, seconds=1))
    await signer.sign(desk.pay(desk.item(2, amount=501), nonce=2))


async def test_payouts_that_were_signed_long_ago_count_again_when_they_are_signed_again(desk: Desk) -> None:
    """Whoever hoards signed payouts cannot have more of them signed anew in one day than a day allows."""
    signer, ends = desk.signer(), int((desk.clock.now() + timedelta(days=30)).timestamp())
    days = [[desk.item(2 * n + k, amount=1_000, expiry=ends) for k in (0, 1)] for n in (0, 1)]
    for nonce, items in enumerate(days):
        await signer.sign(desk.pay(*items, nonce=nonce, deadline=desk.soon()))
        desk.clock.advance(timedelta(hours=25))

    answer = await signer.sign(desk.pay(*days[0], nonce=2, deadline=desk.soon()))
    assert await signer.sign(desk.pay(*days[0], nonce=2, deadline=desk.soon())) == answer, "asked twice"
    await signer.sign(desk.pay(*days[0], nonce=3, deadline=desk.soon()))  # counted today: no new money
    refused = await refusal(desk, desk.pay(*days[1], nonce=4, deadline=desk.soon()))

    assert [(item.name, item.code) for item in refused.items] == [
        (item.payout_id, "day_limit_exceeded") for item in days[1]
    ]
    asked = RulesQuestion(CHAIN, VAULT, TOKEN, (ACCOUNT,))
    assert (await signer.rules(asked)).spent == 2_000
    await signer.require_counted()
    desk.clock.advance(timedelta(hours=23))  # counted since it was signed last, not first
    await signer.sign(desk.pay(*days[0], nonce=4, deadline=desk.soon()))
    desk.clock.advance(timedelta(hours=23))
    assert (await signer.rules(asked)).spent == 2_000
    await signer.require_counted()


async def test_old_epoch_and_passed_nonces_are_refused(desk: Desk) -> None:
    await desk.begins_at(5)
    await desk.signer().sign(desk.pay(nonce=5, epoch=3))

    assert (await refusal(desk, desk.pay(nonce=6, epoch=2))).code == "epoch_stale"
    assert (await refusal(desk, desk.pay(desk.item(1), nonce=4, epoch=3))).code == "nonce_below_watermark"
    await desk.signer().sign(desk.pay(nonce=5, epoch=4))  # an old question, a new leader
    assert (await refusal(desk, desk.pay(desk.item(1), nonce=6, epoch=3))).code == "epoch_stale"


async def test_lane_whose_nonces_the_memory_does_not_follow_is_signed_for_no_more(desk: Desk) -> None:
    """It was put back under a submitter that ran on: what it forgot is missing in its day's sum."""
    await desk.begins_at(5)
    for asked in (desk.pay(nonce=6), desk.fill(nonce=6)):  # it was put back to before its first signature
        assert (await refusal(desk, asked)).code == "nonce_skipped"
    assert await desk.count("slots") == 0
    await desk.signer().sign(desk.pay(nonce=5))

    for asked in (desk.pay(desk.item(1), nonce=7), desk.fill(nonce=7)):
        assert (await refusal(desk, asked)).code == "nonce_skipped"
    assert await desk.count("slots") == 1
    await desk.signer().sign(desk.pay(desk.item(1), nonce=6))
    await desk.signer().sign(desk.pay(nonce=5))  # what is signed is answered as ever


async def test_kill_switch_stops_payouts_but_not_fills(desk: Desk) -> None:
    await desk.signer().sign(desk.pay())
    async with desk.owner.transaction() as conn:
        await signer_wallets.freeze(conn, CHAIN, KEY.address, frozen=True)

    assert (await refusal(desk, desk.pay(desk.item(1), nonce=1))).code == "wallet_frozen"
    assert (await refusal(desk, desk.pay(fees=FeeOffer(9, 8, 400_000)))).code == "wallet_frozen"
    await desk.signer().sign(desk.fill(nonce=1))


async def test_fill_is_a_self_send_of_nothing(desk: Desk) -> None:
    await desk.begins_at(3)
    signed = await desk.signer().sign(desk.fill(nonce=3))

    fields = rlp.decode(signed.raw[1:])
    assert (fields[5], fields[6], fields[7]) == (KEY.address, b"", b"")
    assert (await refusal(desk, desk.pay(nonce=3))).code == "slot_taken"
    dear = FeeOffer(2_000_000_000, 1, 1_000_001)  # what is below may be what a rollup counts for its data
    assert (await refusal(desk, desk.fill(nonce=4, fees=dear))).code == "gas_above_cap"


async def test_new_roster_and_limits_rule_from_their_commit_on(desk: Desk) -> None:
    async with desk.owner.transaction() as conn:
        await signer_limits.set(
            conn, CHAIN, vault=VAULT, token=TOKEN, limits=replace(LIMITS, max_per_item=99)
        )
        await signer_rosters.add(conn, ACCOUNT, version=2, threshold=1, members=[people(2)])

    old = await refusal(desk, desk.pay(desk.item(amount=99)))
    dear = await refusal(desk, desk.pay(desk.item(roster_version=2, by=(2,), amount=100)))
    gone = await refusal(desk, desk.pay(desk.item(roster_version=2, by=(1,), amount=99)))
    await desk.signer().sign(desk.pay(desk.item(roster_version=2, by=(2,), amount=99)))

    named = [each.items[0].code for each in (old, dear, gone)]
    assert named == ["roster_not_current", "item_limit_exceeded", "approver_unknown"]


async def test_refused_question_is_kept_as_it_was_asked(desk: Desk) -> None:
    await refusal(desk, desk.pay(desk.item(by=(1,)), fees=FEES))

    async with desk.owner.read() as conn:
        cursor = await conn.execute("SELECT code, request->'items'->0->>'payout_id' FROM signer.refusals")
        assert await cursor.fetchall() == [("items_refused", "po_0")]
