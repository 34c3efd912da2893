"""The checkout says what happened, what it means, and what to do; without JavaScript or strangers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from bascule.entrypoints.web.checkout_view import groups, qr, revision, say, tidy, view
from tests.support.api import START, OpenAs, Shop, open_shop

NOW = int(START.timestamp())
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    return await open_shop(db_as)


async def ask(shop: Shop, **params: Any) -> dict[str, Any]:
    async with shop.client() as client:
        body = {"amount": "25.00", "currency": "usdc", "description": "Two <b>lamps</b>"} | params
        answer = await client.post("/v1/payment_intents", json=body)
    made: dict[str, Any] = answer.json()
    return made


async def open_page(shop: Shop, path: str) -> httpx.Response:
    async with shop.client("") as client:
        return await client.get(path)


async def test_amount_address_and_code_stand_on_the_page_with_the_merchants_words_escaped(
    shop: Shop,
) -> None:
    intent = await ask(shop)

    page = await open_page(shop, f"/c/{intent['id']}")

    details = intent["next_action"]["display_deposit_details"]["deposit_addresses"]["eip155:31337"]
    assert page.status_code == 200
    assert '<span class="figures">25.00</span> <span class="currency">USDC</span>' in page.text
    assert "".join(f"<span>{group}</span>" for group in groups(details["address"])) in page.text
    assert f'data-copy="{details["address"]}"' in page.text
    assert qr(details["supported_tokens"][0]["eip681_uri"]) in page.text
    assert "Two &lt;b&gt;lamps&lt;/b&gt;" in page.text
    assert "Merchant" in page.text
    assert 'aria-current="step"><span>Waiting</span>' in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_the_chosen_network_decides_address_and_code_together(shop: Shop) -> None:
    intent = await ask(shop)
    addresses = intent["next_action"]["display_deposit_details"]["deposit_addresses"]

    page = await open_page(shop, f"/c/{intent['id']}?network=eip155:31338")

    assert 'href="?network=eip155:31338" aria-current="true"' in page.text
    assert qr(addresses["eip155:31338"]["supported_tokens"][0]["eip681_uri"]) in page.text
    assert "on second" in page.text
    assert (await open_page(shop, f"/c/{intent['id']}?network=mars")).status_code == 200


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(shop: Shop) -> None:
    page = await open_page(shop, f"/c/{(await ask(shop))['id']}")

    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert re.findall(r'(?:src|href)="(?!/|#|\?|data:,|ethereum:)([^"]*)"', page.text) == []
    assert not re.search(r"<[^>]* (style|on\w+)=", page.text)
    assert "<script>" not in page.text
    for path in ("/assets/bascule.css", "/assets/checkout.js"):
        assert (await open_page(shop, path)).status_code == 200


@pytest.mark.parametrize("id", ["pi_" + "0" * 26, "nothing", "%00", "po_" + "z" * 26])
async def test_an_unknown_payment_is_a_page_in_words(shop: Shop, id: str) -> None:
    page = await open_page(shop, f"/c/{id}")
    stream = await open_page(shop, f"/c/{id}/events")

    assert (page.status_code, stream.status_code) == (404, 404)
    assert "There is no such payment" in page.text


async def test_a_database_that_is_away_is_a_page_in_words_too(shop: Shop) -> None:
    intent = await ask(shop)
    await shop.api.close()

    page = await open_page(shop, f"/c/{intent['id']}")

    assert page.status_code == 503
    assert "Nothing is lost" in page.text


async def test_the_stream_ends_when_the_payment_does_and_says_each_change(shop: Shop) -> None:
    intent = await ask(shop)
    async with shop.client() as client:
        await client.post(f"/v1/payment_intents/{intent['id']}/cancel")

    stream = await open_page(shop, f"/c/{intent['id']}/events")
    page = await open_page(shop, f"/c/{intent['id']}")

    assert stream.headers["content-type"].startswith("text/event-stream")
    [said] = re.findall(r"data: (.*)\n\n", stream.text)
    assert f'data-revision="{said}"' in page.text
    assert "Do not send money" in page.text
    assert "Pay before" not in page.text
    assert "data-copy" not in page.text


def intent(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "amount": "25.000000", "currency": "usdc", "amount_received": "0.000000",
        "amount_remaining": "25.000000",
        "amount_overpaid": "0.000000", "status": "requires_action", "flags": [], "expires_at": NOW + 3600,
        "closes_at": NOW + 90_000, "policy": {"late": "accept"}, "cancellation_reason": None, "version": 1,
        "next_action": None, "evidence": {"transactions": []},
    }  # fmt: skip
    return made | changes


def deposit(**changes: Any) -> dict[str, Any]:
    return {"status": "detected", "confirmations": 2, "confirmations_required": 4} | changes


PART = {"amount_received": "24.000000", "amount_remaining": "1.000000", "flags": ["partially_paid"]}


@pytest.mark.parametrize(
    ("changes", "headline", "words"),
    [
        ({}, "Waiting for your payment", "Send 25.00 USDC before 21 November, 13:00 UTC."),
        (PART, "Part of the payment is here",
         "We received 24.00 of 25.00 USDC. Send 1.00 USDC more to the same address "
         "before 21 November, 13:00 UTC, "
         "or ask the merchant for a refund."),
        (PART | {"expires_at": NOW - 1}, "Part of the payment is here", "as soon as you can"),
        ({"expires_at": NOW - 1}, "The time to pay has passed", "You can still send 25.00 USDC until"),
        ({"expires_at": NOW - 1, "policy": {"late": "hold"}}, "The time to pay has passed",
         "held until the merchant"),
        ({"flags": ["reorged"]}, "Payment not confirmed", "do not pay again"),
        ({"flags": ["held"]}, "A transfer is being checked", "do not pay again"),
        (PART | {"flags": ["partially_paid", "held"]}, "A transfer is being checked", "do not pay again"),
        ({"flags": ["held"], "expires_at": NOW - 1}, "A transfer is being checked", "do not pay again"),
        ({"flags": ["wrong_token"]}, "Something else arrived", "does not count"),
        ({"status": "processing", "amount_received": "25.000000"}, "Payment seen",
         "You need not do anything"),
        ({"status": "succeeded", "amount_received": "25.000000"}, "Paid",
         "We received 25.00 USDC. This payment is"),
        ({"status": "succeeded", "amount_received": "30.000000", "amount_overpaid": "5.000000",
          "flags": ["overpaid"]}, "Paid", "5.00 USDC more than was asked for"),
        ({"status": "canceled", "cancellation_reason": "expired"}, "Payment closed",
         "Its time is over. Do not send"),
        ({"status": "canceled", "cancellation_reason": "duplicate"}, "Payment closed",
         "The merchant called it off"),
    ],
)  # fmt: skip
def test_each_state_says_what_happened_and_what_to_do(
    changes: dict[str, Any], headline: str, words: str
) -> None:
    said = say(intent(**changes), [], START)

    assert said.headline == headline
    assert words in said.message
    assert said.payable == (intent(**changes)["status"] == "requires_action")


def test_money_that_came_to_a_closed_payment_is_not_lost() -> None:
    said = say(intent(status="canceled", cancellation_reason="expired"), [deposit()], START)

    assert "has arrived and is not lost" in said.message


@pytest.mark.parametrize(
    ("arrived", "label"),
    [
        ([deposit()], "Confirming 2 of 4"),
        ([deposit(), deposit(confirmations=1)], "Confirming 1 of 4"),
        ([deposit(confirmations=9)], "Confirming 4 of 4"),
        ([deposit(confirmations_required=None)], "Confirming: 2 so far"),
        ([deposit(status="finalized")], "Confirming"),
    ],
)
def test_confirmations_are_counted_by_the_slowest_deposit(arrived: list[dict[str, Any]], label: str) -> None:
    shown = view(intent(status="processing"), arrived, None, START)

    assert [step["label"] for step in shown["steps"]] == ["Waiting", "Seen", label, "Paid"]
    assert [step["state"] for step in shown["steps"]] == ["done", "done", "now", "next"]


def test_what_arrived_is_an_amount_and_not_a_hash_alone() -> None:
    counted = {"network": "eip155:31337", "hash": "0xabc", "deposit": "dep_1"}
    shown = view(
        intent(evidence={"transactions": [counted]}),
        [deposit(id="dep_1", amount="24.000000"), deposit(id="dep_2", amount="9.000000")],
        None,
        START,
    )

    assert shown["transactions"] == [{"hash": "0xabc", "amount": "24.00"}]


def test_the_revision_changes_with_state_confirmations_and_lateness() -> None:
    now = START
    revisions = {
        revision(intent(), [], now),
        revision(intent(version=2), [], now),
        revision(intent(), [deposit()], now),
        revision(intent(), [deposit(confirmations=3)], now),
        revision(intent(expires_at=NOW - 1), [], now),
    }

    assert len(revisions) == 5


def test_addresses_are_grouped_whole_and_amounts_keep_two_digits() -> None:
    assert "".join(groups(ADDRESS)) == ADDRESS
    assert [len(group) for group in groups(ADDRESS)] == [2] + [4] * 10
    assert [tidy(each) for each in ("25.000000", "0.100000", "1.234560")] == ["25.00", "0.10", "1.23456"]
