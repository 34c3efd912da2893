"""Refunds: a payment's money goes back to where its customer says, once, and never more than was final."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.errors import Halted
from bascule.domain.refund import LOOK_AGAIN, RefundDestination
from bascule.entrypoints.explaining import explain
from bascule.storage import test_clocks
from tests.support.flushing import CUSTOMER
from tests.support.money_in import deposit_address
from tests.support.money_out import OpenAs, payee, sign_typed
from tests.support.refunding import COOL_OFF_S, CUSTOMER_HOME, Refunding, refunding, words


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(db_as, tmp_path) as built:
        yield built
        await built.stage.require_truth()
        await built.world.require_even()


async def test_customer_claims_by_link_and_is_paid_once_after_the_cool_off(b: Refunding) -> None:
    intent = await b.paid("20.00")
    refund = await b.refund(intent, amount="5.00", key="again", metadata={"order": "1"})
    assert (refund["status"], refund["next_action"]["type"]) == ("requires_action", "claim")
    again = await b.refund(intent, amount="5.00", key="again", metadata={"order": "1"})
    assert again == refund, "a retry is shown the same link"
    assert (await b.read(refund))["next_action"]["url"] is None, "nobody else is"

    page = await b.client.get(refund["next_action"]["url"])
    assert "Shop returns 5.00 USDT to you" in words(page)
    review = await b.enter(refund, CUSTOMER_HOME, confirm=False)
    assert "Is this address yours?" in words(review)
    assert "Test mode: no real money" in words(review)
    assert await b.told(refund) == ["created", "requires_action"], "looking changes nothing"
    assert (await b.enter(refund, CUSTOMER_HOME, confirm=True)).status_code == 303
    assert await b.turn() == {}, "it cools off"
    waiting = await b.read(refund)
    assert (waiting["status"], waiting["next_action"]["type"]) == ("pending", "cool_off")
    assert waiting["destination"]["to"] == CUSTOMER_HOME

    b.stage.clock.advance(timedelta(seconds=COOL_OFF_S))
    assert await b.turn() == {"requires_action": 1}
    assert (await b.read(refund))["next_action"]["type"] == "approve_payout"
    await b.approve(refund)
    assert (await b.books()) == {"available": 20_000_000, "held": 5_000_000}
    await b.pay()

    ended = await b.read(refund)
    assert (ended["status"], ended["next_action"]) == ("succeeded", None)
    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 5_000_000)]
    assert await b.books() == {"available": 15_000_000, "held": 0}
    shown = (await b.client.get(f"/v1/payment_intents/{intent['id']}")).json()
    assert shown["amount_refunded"] == "5.000000"
    assert await b.told(refund) == ["created", "requires_action", "updated", "updated", "succeeded"]
    assert "Paid" in words(await b.client.get(refund["next_action"]["url"]))
    assert await b.turn() == {"paid": 1}, "nothing more is due"


@pytest.mark.slow
async def test_overpayment_alone_goes_back_out_of_what_nobody_had(b: Refunding) -> None:
    intent = await b.paid("10.00", "12.50")
    assert await b.books() == {"available": 10_000_000, "suspense": 2_500_000, "held": 0}
    refund = await b.claimed(await b.refund(intent, overpayment_only=True))
    assert refund["amount"] == "2.500000"
    again = await b.ask(intent, overpayment_only=True)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "refund_nothing_overpaid")

    await b.turn()
    await b.approve(refund)
    assert await b.books() == {"available": 12_500_000, "suspense": 0, "held": 2_500_000}
    await b.pay()

    assert (await b.read(refund))["status"] == "succeeded"
    assert await b.books() == {"available": 10_000_000, "suspense": 0, "held": 0}


@pytest.mark.slow
async def test_refund_without_money_waits_says_so_and_goes_on_by_itself(b: Refunding) -> None:
    first, second = await b.paid("20.00"), await b.paid("5.00")
    away = await b.claimed(await b.refund(first, amount="20.00"))
    await b.turn()
    await b.approve(away)
    await b.pay()
    # what the second customer paid was spent otherwise meanwhile
    spent = await b.post(
        "/v1/payouts", amount="5.00", currency="usdt", network="eip155:31337", to=payee(1)
    )  # fmt: skip
    await b.sign(f"/v1/payouts/{spent['id']}")
    refund = await b.claimed(await b.refund(second), payee(2))
    assert await b.turn() == {"paid": 1, "pending": 1}
    waiting = await b.read(refund)
    assert (waiting["status"], waiting["waits_for"]) == ("pending", "insufficient_funds")
    async with b.stage.owner.read() as conn:
        told = await explain(conn, refund["id"])
    assert told is not None
    assert "5.000000 USDT available" in told["next"]
    assert waiting["next_action"]["type"] == "add_funds"
    assert "5.000000 USDT" in waiting["next_action"]["next_step"]
    assert await b.turn() == {"paid": 1, "pending": 1}
    assert (await b.told(refund)).count("updated") == 2, "what was said is not said again"

    await b.post(f"/v1/payouts/{spent['id']}/cancel")
    b.stage.clock.advance(LOOK_AGAIN)
    await b.turn()
    await b.approve(refund)
    await b.pay()
    assert (await b.read(refund))["status"] == "succeeded"


@pytest.mark.slow
async def test_refund_goes_out_under_a_mandate_for_claimants_without_any_approval(b: Refunding) -> None:
    intent = await b.paid("20.00")
    asked = {
        "kind": "refund", "to": "claimant", "currency": "usdt", "network": "eip155:31337",
        "max_per_item": "10.00", "max_per_day": "50.00",
        "expires_at": int(b.stage.clock.now().timestamp()) + 30 * 86_400,
    }  # fmt: skip
    mandate = await b.post("/v1/mandates", **asked)
    await b.sign(f"/v1/mandates/{mandate['id']}")
    refund = await b.claimed(await b.refund(intent, amount="10.00"))
    assert await b.turn() == {"pending": 1}
    more = await b.claimed(await b.refund(intent), payee(3))
    assert await b.turn() == {"pending": 2}, "ten more are still within it"
    await b.pay()
    assert {(await b.read(each))["status"] for each in (refund, more)} == {"succeeded"}


@pytest.mark.slow
async def test_payers_signature_names_the_address_and_nobody_elses_does(b: Refunding) -> None:
    intent = await b.paid("20.00")
    customer, stranger = b.stage.node.accounts[CUSTOMER], b.stage.node.accounts[9]
    text = RefundDestination(
        intent["id"], Address(b.stage.token.contract), parse_address(CUSTOMER_HOME), 5_000_000
    )
    typed = text.typed_data(b.stage.network.chain_id, parse_address(b.stage.vault))
    for signature in (sign_typed(stranger, typed), None):
        refused = await b.ask(intent, amount="5.00", to=CUSTOMER_HOME, payer_signature=signature)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "refund_payer_unverified")
        assert "claim link" in refused.json()["error"]["next_step"]
    other = await b.ask(intent, amount="5.00", to=payee(5), payer_signature=sign_typed(customer, typed))
    assert other.status_code == 403, "the signature is for one address"

    refund = await b.refund(
        intent, amount="5.00", to=CUSTOMER_HOME, payer_signature=sign_typed(customer, typed)
    )
    assert (refund["status"], refund["destination"]["payer"]) == ("pending", customer.address)
    assert await b.turn() == {"requires_action": 1}
    await b.approve(refund)
    await b.pay()
    assert await b.stage.transfers_out() == [(CUSTOMER_HOME, 5_000_000)]


async def test_two_refunds_at_once_are_never_more_than_is_final(b: Refunding) -> None:
    intent = await b.paid("20.00")
    answers = await asyncio.gather(*(b.ask(intent, amount="8.00") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 400, 400]
    codes = {answer.json()["error"]["code"] for answer in answers if answer.status_code == 400}
    assert codes == {"refund_exceeds_refundable"}
    rest = await b.refund(intent)
    assert rest["amount"] == "4.000000", "all that is left"
    nothing = await b.ask(intent)
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (400, "refund_exceeds_refundable")
    canceled = await b.client.post(f"/v1/refunds/{rest['id']}/cancel")
    assert canceled.json()["status"] == "canceled"
    assert (await b.refund(intent))["amount"] == "4.000000", "what was called off can be asked for anew"


async def test_bad_requests_have_codes_of_their_own_and_write_nothing(b: Refunding) -> None:
    unpaid, called_off, paid = (
        await b.world.intent("5.00"),
        await b.world.intent("5.00"),
        await b.paid("5.00"),
    )
    await b.client.post(f"/v1/payment_intents/{called_off['id']}/cancel")
    before = await b.stage.rows("SELECT count(*) FROM outbox")
    for intent, params, expected in (
        (unpaid, {}, (409, "refund_not_final")),
        (called_off, {}, (409, "refund_intent_canceled")),
        (paid, {"amount": "5.01"}, (400, "refund_exceeds_refundable")),
        (paid, {"token": "tok_eth"}, (400, "refund_token_mismatch")),
        (paid, {"overpayment_only": True}, (409, "refund_nothing_overpaid")),
        (paid, {"claim_expires_at": 1}, (400, "refund_claim_invalid")),
        (paid, {"to": b.stage.vault}, (400, "destination_is_ours")),
        ({"id": "pi_nobody"}, {}, (400, "payment_intent_unknown")),
    ):
        answer = await b.ask(intent, **params)
        assert (answer.status_code, answer.json()["error"]["code"]) == expected, params
    assert await b.stage.rows("SELECT count(*) FROM refunds") == [(0,)]
    assert await b.stage.rows("SELECT count(*) FROM outbox") == before
    assert await b.books() == {"available": 5_000_000, "held": 0}


async def test_claim_page_refuses_addresses_that_lose_money_and_links_that_are_over(b: Refunding) -> None:
    intent = await b.paid("20.00")
    refund = await b.refund(intent, amount="5.00")
    paid_at = deposit_address(intent)
    await b.deny(payee(8))
    wrong = CUSTOMER_HOME[:-1] + ("A" if CUSTOMER_HOME[-1] != "A" else "B")
    for address, said in (
        ("0x" + "00" * 20, "Enter an address of the network"),
        ("abc", "Enter an address of the network"),
        (checksum(b.stage.token.contract), "a token's address"),
        (paid_at, "an address of your own"),
        (b.stage.vault, "an address of your own"),
        (b.world.factory, "an address of your own"),
        (wrong, "has a mistake in it"),
        (payee(8), "No money can be sent to this address"),
        ("0x" + "a" * 5_000, "Enter an address of the network"),
    ):
        for confirm in (False, True):
            answer = await b.enter(refund, address, confirm=confirm)
            assert (answer.status_code, said in words(answer)) == (400, True), address
    assert (await b.read(refund))["status"] == "requires_action"
    nowhere = "/r/" + "a" * 52
    assert (await b.client.get(nowhere)).status_code == 404
    for address in (CUSTOMER_HOME, "0x" + "a" * 5_000):
        assert (await b.client.post(nowhere, data={"address": address})).status_code == 404

    await b.claimed(refund)
    used = await b.enter(refund, payee(7), confirm=True)
    assert (used.status_code, "It goes to" in words(used)) == (409, True)
    assert (await b.read(refund))["destination"]["to"] == CUSTOMER_HOME, "once and for ever"
    late = await b.refund(intent, amount="1.00")
    b.stage.clock.advance(timedelta(days=31))
    assert (await b.enter(late, payee(7), confirm=True)).status_code == 409
    await b.turn()
    assert (await b.read(late))["status"] == "canceled"
    assert "This link is over" in words(await b.client.get(late["next_action"]["url"]))


@pytest.mark.slow
async def test_test_clock_ends_a_cool_off_and_an_unclaimed_link(b: Refunding) -> None:
    intent = await b.paid("20.00")
    unclaimed, claimed = await b.refund(intent, amount="5.00"), await b.refund(intent, amount="5.00")
    await b.enter(claimed, CUSTOMER_HOME, confirm=True)

    async def goes_on(seconds: int) -> None:
        async with b.stage.api.transaction() as conn:
            at = b.stage.clock.now()
            await test_clocks.advance(conn, b.world.merchant, seconds=seconds, reached=at)

    assert await b.turn() == {}, "it cools off"
    await goes_on(COOL_OFF_S)
    assert await b.turn() == {"requires_action": 1}
    assert (await b.read(unclaimed))["status"] == "requires_action"
    await goes_on(unclaimed["destination"]["claim_expires_at"] - unclaimed["created"])
    await b.turn()
    assert (await b.read(unclaimed))["status"] == "canceled"


@pytest.mark.slow
async def test_merchant_stops_a_claim_in_its_cool_off_and_what_is_rejected_can_be_asked_anew(
    b: Refunding,
) -> None:
    intent = await b.paid("20.00")
    stopped = await b.refund(intent, amount="5.00")
    await b.enter(stopped, CUSTOMER_HOME, confirm=True)
    answer = await b.client.post(f"/v1/refunds/{stopped['id']}/cancel")
    assert answer.json()["status"] == "canceled"
    assert "was stopped" in words(await b.client.get(stopped["next_action"]["url"]))
    b.stage.clock.advance(timedelta(seconds=COOL_OFF_S))
    assert await b.turn() == {}

    rejected = await b.claimed(await b.refund(intent, amount="5.00"))
    await b.turn()
    payout = (await b.read(rejected))["payout"]
    await b.client.post(f"/v1/payouts/{payout}/reject")
    await b.turn()
    ended = await b.read(rejected)
    assert (ended["status"], ended["failure_code"]) == ("failed", "approval_rejected")
    assert (await b.refund(intent, amount="19.00"))["amount"] == "19.000000"
    assert await b.books() == {"available": 20_000_000, "held": 0}

    denied = await b.claimed(await b.refund(intent, amount="1.00"), payee(8))
    await b.deny(payee(8))
    await b.turn()
    ended = await b.read(denied)
    assert (ended["status"], ended["failure_code"]) == ("failed", "destination_denylisted")
    again = await b.client.post(f"/v1/refunds/{rejected['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "refund_unexpected_state")


@pytest.mark.slow
async def test_refund_that_failed_is_refunded_anew_and_its_payout_is_not_asked_for_again(
    b: Refunding,
) -> None:
    """Both at once would give more back than became final."""
    intent = await b.paid("5.00")
    failed = await b.claimed(await b.refund(intent))
    await b.turn()
    await b.approve(failed)
    await b.stage.issuer("blacklist(address)", CUSTOMER_HOME)
    await b.pay()
    ended = await b.read(failed)
    assert ended["status"] == "failed"

    again = await b.claimed(await b.refund(intent), payee(3))
    answer = await b.client.post(
        "/v1/payouts",
        json={"amount": "5.00", "currency": "usdt", "network": "eip155:31337", "to": payee(4),
              "reissue_of": ended["payout"]},
        headers={"idempotency-key": "twice"},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "payout_of_refund")
    async with b.stage.owner.read() as conn:
        told = await explain(conn, ended["payout"])
    assert told is not None
    assert "can be refunded anew" in told["next"]
    await b.turn()
    await b.approve(again)
    await b.pay()
    assert await b.stage.transfers_out() == [(payee(3), 5_000_000)]


@pytest.mark.slow
async def test_refund_that_fails_keeps_no_other_from_its_turn(b: Refunding) -> None:
    broken, following = [
        await b.claimed(await b.refund(await b.paid(amount)), CUSTOMER_HOME) for amount in ("5.00", "6.00")
    ]

    async def alter(statement: LiteralString) -> None:
        async with b.stage.owner.transaction() as conn:
            await conn.execute(statement)

    await alter("ALTER TABLE payouts ADD CONSTRAINT nobody_foresaw CHECK (amount <> 5000000)")
    for _ in range(2):
        with pytest.raises(Halted, match="1 of"):
            await b.refunder.run_once()
    assert [(await b.read(each))["payout"] is None for each in (broken, following)] == [True, False]
    await alter("ALTER TABLE payouts DROP CONSTRAINT nobody_foresaw")
    assert await b.turn() == {"requires_action": 2}
