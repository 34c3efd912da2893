"""Webhooks arrive at least once, signed, unchanged, on time, and no endpoint waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from bascule.domain.webhook import DELAYS_S
from bascule.services.http_sender import HttpSender
from tests.support.api import Shop
from tests.support.crashing import Crash, Crashing
from tests.support.receiver import Receiver, local_sender, receiver


@pytest.fixture
async def shop(shop: Shop) -> Shop:
    """The signature's time is checked against the real clock, so this story happens now."""
    shop.clock.advance((datetime.now(UTC) - shop.clock.now()).total_seconds())
    return shop


@pytest.fixture
async def merchant_server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    async with local_sender() as made:
        yield made


async def endpoint(shop: Shop, url: str, **params: Any) -> dict[str, Any]:
    async with shop.client() as client:
        answer = await client.post("/v1/webhook_endpoints", json={"url": url} | params)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def happen(shop: Shop) -> dict[str, Any]:
    """Something happens, and gets its number."""
    async with shop.client() as client:
        answer = await client.post("/v1/payment_intents", json={"amount": "25.00", "currency": "usdc"})
    await shop.sequencer().run_once()
    made: dict[str, Any] = answer.json()
    return made


async def deliveries(shop: Shop, endpoint_id: str) -> list[dict[str, Any]]:
    async with shop.client() as client:
        answer = await client.get(f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def status_of(shop: Shop, endpoint_id: str) -> str:
    async with shop.client() as client:
        status: str = (await client.get(f"/v1/webhook_endpoints/{endpoint_id}")).json()["status"]
    return status


async def test_a_webhook_verifies_with_the_standard_library_and_carries_the_object(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook")
    intent = await happen(shop)

    assert await shop.dispatcher(sender).drain() == 1

    [(_, headers, body)] = merchant_server.got
    verified = Webhook(hook["secret"]).verify(body, headers)
    assert verified["type"] == "payment_intent.created"
    assert verified["data"]["object"] == intent
    assert headers["webhook-id"] == verified["id"]
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(hook["secret"]).verify(body + b" ", headers)
    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], delivery["attempts"][0]["response"]) == ("delivered", "ok")
    assert await shop.dispatcher(sender).drain() == 0


async def test_during_rotation_both_secrets_verify_and_afterwards_only_the_new_one(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    old = (hook := await endpoint(shop, merchant_server.url + "/hook"))["secret"]
    async with shop.client() as client:
        path = f"/v1/webhook_endpoints/{hook['id']}"
        rotated = (await client.post(f"{path}/rotate_secret", json={"overlap": 60})).json()
        read = (await client.get(path)).json()
    assert rotated["secret"] != old
    assert "secret" not in read

    await happen(shop)
    await shop.dispatcher(sender).drain()
    [(_, headers, body)] = merchant_server.got
    for secret in (old, rotated["secret"]):
        Webhook(secret).verify(body, headers)

    shop.clock.advance(61)
    await happen(shop)
    await shop.dispatcher(sender).drain()
    _, headers, body = merchant_server.got[1]
    Webhook(rotated["secret"]).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


async def test_a_crash_after_sending_means_the_same_event_again_never_a_loss(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)

    for failpoint in ("dispatcher.before_send", "dispatcher.after_send"):
        dying = shop.dispatcher(sender, failpoints=Crashing(failpoint), lease_s=0.0)
        with pytest.raises(Crash):
            await dying.drain()
    await shop.dispatcher(sender).drain()

    assert len(merchant_server.got) == 2  # not sent before the first crash, sent before the second
    (_, first, body), (_, second, same) = merchant_server.got
    assert (first["webhook-id"], body) == (second["webhook-id"], same)
    [delivery] = await deliveries(shop, hook["id"])
    assert delivery["status"] == "delivered"


async def test_a_leased_delivery_is_not_taken_by_another_dispatcher(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    await endpoint(shop, merchant_server.url + "/hook")
    for _ in range(10):
        await happen(shop)

    done = await asyncio.gather(*(shop.dispatcher(sender).drain() for _ in range(3)))

    assert sum(done) == len(merchant_server.got) == 10
    assert len({headers["webhook-id"] for _, headers, _ in merchant_server.got}) == 10


async def test_a_failing_endpoint_is_tried_ten_times_on_schedule_and_then_listed(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500, text="x" * 5_000)

    merchant_server.answers["/hook"] = fail
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    dispatcher = shop.dispatcher(sender)

    for n, delay in enumerate(DELAYS_S):
        assert await dispatcher.drain() == (0 if n else 1)
        shop.clock.advance(delay * 0.89)
        assert await dispatcher.drain() == 0, f"attempt {n + 1} came too early"
        shop.clock.advance(delay * 0.22)
        assert await dispatcher.drain() == (1 if n else 0), f"attempt {n + 1} did not come"
    shop.clock.advance(10 * 86_400)
    assert await dispatcher.drain() == 0

    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], len(delivery["attempts"])) == ("exhausted", 10)
    assert len(set(merchant_server.bodies())) == 1
    assert len(delivery["attempts"][0]["response"]) == 1_024
    assert await status_of(shop, hook["id"]) == "enabled"


async def test_five_days_of_nothing_but_failure_disable_an_endpoint_and_tell_the_others(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=503)

    merchant_server.answers["/bad"] = fail
    bad = await endpoint(shop, merchant_server.url + "/bad", enabled_events=["payment_intent.created"])
    await endpoint(shop, merchant_server.url + "/good", enabled_events=["webhook_endpoint.disabled"])
    dispatcher = shop.dispatcher(sender)
    await happen(shop)
    for _ in range(2):
        for delay in DELAYS_S:
            shop.clock.advance(delay * 1.11)
            await dispatcher.drain()
        if await status_of(shop, bad["id"]) == "enabled":
            await happen(shop)

    assert await status_of(shop, bad["id"]) == "disabled"
    await shop.sequencer().run_once()
    await dispatcher.drain()
    assert len(merchant_server.bodies("/good")) == 1


async def test_410_ends_the_delivery_and_disables_the_endpoint(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def gone(request: web.Request) -> web.Response:
        return web.Response(status=410)

    merchant_server.answers["/hook"] = gone
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    await shop.dispatcher(sender).drain()

    assert await status_of(shop, hook["id"]) == "disabled"
    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], delivery["attempts"][0]["response_status"]) == ("exhausted", 410)
    await happen(shop)
    assert len(await deliveries(shop, hook["id"])) == 1


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("999999999", 86_400), ("soon", 5)])
async def test_retry_after_makes_the_wait_longer_within_a_day(
    shop: Shop, merchant_server: Receiver, sender: HttpSender, header: str, seconds: int
) -> None:
    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": header})

    merchant_server.answers["/hook"] = busy
    await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    dispatcher = shop.dispatcher(sender)
    await dispatcher.drain()

    shop.clock.advance(seconds * 0.85)
    assert await dispatcher.drain() == 0
    shop.clock.advance(seconds * 0.30)
    assert await dispatcher.drain() == 1


async def test_a_hanging_endpoint_does_not_hold_up_the_others(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    released = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    merchant_server.answers["/slow"] = hang
    await endpoint(shop, merchant_server.url + "/slow")
    await endpoint(shop, merchant_server.url + "/hook")
    for _ in range(12):
        await happen(shop)
    dispatcher = shop.dispatcher(sender)

    async with asyncio.timeout(10):
        while len(merchant_server.bodies()) < 12:
            await dispatcher.run_once()

    assert len(merchant_server.bodies("/slow")) == 4  # its share and no more
    released.set()
    await dispatcher.drain()
    assert len(merchant_server.bodies("/slow")) == 12


async def test_a_redirect_is_a_failure_and_is_not_followed(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/hook"})

    merchant_server.answers["/moved"] = elsewhere
    hook = await endpoint(shop, merchant_server.url + "/moved")
    await happen(shop)
    await shop.dispatcher(sender).drain()

    assert [path for path, _, _ in merchant_server.got] == ["/moved"]
    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], delivery["attempts"][0]["response_status"]) == ("scheduled", 302)


async def test_resending_makes_a_new_delivery_of_the_same_bytes(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    dispatcher = shop.dispatcher(sender)
    await dispatcher.drain()
    [delivered] = await deliveries(shop, hook["id"])

    async with shop.client() as client:
        path = f"/v1/webhook_endpoints/{hook['id']}/deliveries/{delivered['id']}/resend"
        replay = (await client.post(path)).json()
    await dispatcher.drain()

    assert (replay["replay"], replay["status"], replay["event"]) == (1, "scheduled", delivered["event"])
    assert len(merchant_server.got) == 2
    assert len(set(merchant_server.bodies())) == 1


async def test_a_ping_reaches_its_endpoint_alone_whatever_it_listens_to(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    asked = await endpoint(shop, merchant_server.url + "/asked", enabled_events=["payout.paid"])
    await endpoint(shop, merchant_server.url + "/other")
    async with shop.client() as client:
        answer = (await client.post(f"/v1/webhook_endpoints/{asked['id']}/ping")).json()
    await shop.sequencer().run_once()
    await shop.dispatcher(sender).drain()

    [(path, headers, _)] = merchant_server.got
    assert (path, headers["webhook-id"]) == ("/asked", answer["event"])


async def test_a_disabled_endpoint_waits_and_gets_what_is_due_when_enabled_again(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    dispatcher = shop.dispatcher(sender)
    async with shop.client() as client:
        path = f"/v1/webhook_endpoints/{hook['id']}"
        assert (await client.post(path, json={"disabled": True})).json()["status"] == "disabled"
        assert await dispatcher.drain() == 0
        assert (await client.post(f"{path}/ping")).status_code == 409
        assert (await client.post(path, json={"disabled": False})).json()["status"] == "enabled"
        assert await dispatcher.drain() == 1
        assert (await client.delete(path)).json()["deleted"] is True
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/v1/webhook_endpoints")).json()["data"] == []
