"""The `bridge` fixture: create, pay, mine, settle, look; and what it says when it cannot settle."""

import socket

import httpx
import pytest
from standardwebhooks import Webhook

from bascule.client import ApiError
from bascule.entrypoints.testing.bridge import Bridge
from bascule.entrypoints.testing.inside import NotSettled

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def test_payment_is_seen_then_final_and_told_by_signed_webhooks(bridge: Bridge) -> None:
    created = httpx.post(
        f"{bridge.api_url}/v1/payment_intents",
        auth=(bridge.secret_key, ""),
        data={"amount": "25.00", "currency": "usdc"},
    )
    intent = created.raise_for_status().json()

    bridge.pay(intent)
    assert bridge.intent(intent)["status"] == "requires_action"
    bridge.mine()
    bridge.settle()
    assert bridge.intent(intent)["status"] == "processing"

    bridge.mine(4)
    bridge.settle()

    assert bridge.intent(intent)["status"] == "succeeded"
    [event] = bridge.events("payment_intent.succeeded")
    assert event["data"]["object"]["id"] == intent["id"]
    for delivery in bridge.deliveries:
        assert Webhook(bridge.webhook_secret).verify(delivery.body, dict(delivery.headers)) == delivery.event
    [books] = bridge.reconcile()
    assert (books["residual"], books["unbooked"]) == ("0", "0")


def test_dropped_payment_reopens_its_intent(bridge: Bridge) -> None:
    intent = bridge.create_intent("5.00")
    tx_hash = bridge.pay(intent)
    bridge.mine()
    bridge.settle()

    bridge.reorg(1, drop=[tx_hash])
    bridge.settle()

    assert bridge.intent(intent)["status"] == "requires_action"
    assert len(bridge.events("payment_intent.reorged")) == 1


def test_refused_webhook_comes_again_when_its_time_has_come(bridge: Bridge) -> None:
    bridge.answer_webhooks(500)
    bridge.create_intent("5.00")
    bridge.settle()
    assert bridge.events() == []
    assert [delivery.answered for delivery in bridge.deliveries] == [500]

    bridge.answer_webhooks(204)
    bridge.advance(10)
    bridge.settle()

    assert [event["type"] for event in bridge.events()] == ["payment_intent.created"]
    first, second = bridge.deliveries
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


@pytest.mark.slow
def test_unpaid_intent_ends_when_time_moves_on(bridge: Bridge) -> None:
    now = int(bridge.chain.clock.seconds())
    intent = bridge.create_intent("5.00", expires_at=now + 60, closes_at=now + 120)

    bridge.advance(90)
    bridge.settle()
    assert bridge.intent(intent)["flags"] == ["expired"]
    bridge.advance(300)
    bridge.finalize()

    assert bridge.intent(intent)["status"] == "canceled"
    with pytest.raises(ValueError, match="is canceled and waits for no payment"):
        bridge.pay(intent)


def test_payout_is_approved_signed_and_paid(bridge: Bridge) -> None:
    payout = bridge.create_payout("10.00", to=PAYEE)
    assert bridge.approve(payout)["status"] == "requires_action"
    bridge.approve(payout, approver=2)

    bridge.finalize()

    assert bridge.payout(payout)["status"] == "paid"
    assert bridge.chain.balance(PAYEE) == 10
    with pytest.raises(ValueError, match="is paid and waits for no approval"):
        bridge.approve(payout, approver=1)


@pytest.mark.slow
def test_reorg_below_finality_halts_and_settling_says_so(bridge: Bridge) -> None:
    bridge.pay(bridge.create_intent("5.00"))
    bridge.finalize()

    bridge.reorg(depth=6)

    with pytest.raises(NotSettled, match=r"watcher:31337 has halted: .*was final"):
        bridge.settle()


def test_what_settling_waits_for_is_said(bridge: Bridge) -> None:
    """A merchant's server that accepts connections and never answers keeps the dispatcher busy."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        bridge.request("POST", "/v1/webhook_endpoints", {"url": url, "enabled_events": ["*"]})
        bridge.create_intent("5.00")

        with pytest.raises(NotSettled, match=r"not settled after 0\.3 s; dispatcher is still sending"):
            bridge.settle(within=0.3)


def test_refusal_of_the_api_comes_in_its_own_words(bridge: Bridge) -> None:
    with pytest.raises(ApiError, match="amount_decimal_point_required") as refused:
        bridge.create_intent("5")

    assert (refused.value.status, refused.value.code) == (400, "amount_decimal_point_required")


@pytest.mark.slow
def test_node_that_misbehaves_is_waited_for_and_named(bridge: Bridge) -> None:
    intent = bridge.create_intent("5.00")
    bridge.pay(intent)
    bridge.mine()
    bridge.chain.set_fault("error", code=-32000, message="the node has a headache")

    with pytest.raises(NotSettled, match=r"watcher:31337 waits: .*the node has a headache"):
        bridge.settle(within=0.3)

    bridge.chain.clear_faults()
    bridge.settle()
    assert bridge.intent(intent)["status"] == "processing"
