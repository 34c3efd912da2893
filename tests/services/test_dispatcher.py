"""Webhooks arrive at least once, signed, unchanged, on time, and no endpoint waits for another."""

from __future__ import annotations

import asyncio
import hmac
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from bascule.services import flights
from bascule.services.flights import PER_ENDPOINT, Flights
from bascule.services.http_sender import TIMEOUT_S, HttpSender
from bascule.storage.deliveries import claim
from tests.support.api import Shop
from tests.support.crashing import Crash, Crashing
from tests.support.hooks import deliveries, endpoint, happen
from tests.support.receiver import Receiver


@pytest.fixture
async def shop(shop: Shop) -> Shop:
    """The signature's time is checked against the real clock, so this story happens now."""
    shop.clock.advance((datetime.now(UTC) - shop.clock.now()).total_seconds())
    return shop


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

    assert len(merchant_server.bodies("/slow")) == PER_ENDPOINT == 8  # its share and no more
    released.set()
    await dispatcher.drain()
    assert len(merchant_server.bodies("/slow")) == 12


async def test_a_stop_writes_what_was_answered_and_only_the_others_are_sent_again(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    merchant_server.answers["/slow"] = hang
    await endpoint(shop, merchant_server.url + "/slow")
    hook = await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    stopped = shop.dispatcher(sender, lease_s=0.0)
    running = asyncio.create_task(stopped.run_once())
    for _ in range(5_000):
        if 0 < len(stopped.flights) < stopped.in_flight:
            break
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    before = await deliveries(shop, hook["id"])
    await stopped.stop()
    del merchant_server.answers["/slow"]
    await shop.dispatcher(sender).drain()

    assert [each["status"] for each in before] == ["scheduled"]
    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 1)
    assert (len(merchant_server.bodies("/hook")), len(merchant_server.bodies("/slow"))) == (1, 2)


async def test_many_hanging_endpoints_leave_the_quick_ones_their_lane(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    """Three hang, of two places for the slow: what is quick goes on, and the third waits for a place."""
    sender.timeout_s = TIMEOUT_S  # however slow this machine is, none of them ends meanwhile
    released = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    for name in ("/slow1", "/slow2", "/slow3"):
        merchant_server.answers[name] = hang
        await endpoint(shop, merchant_server.url + name)
    await endpoint(shop, merchant_server.url + "/hook")
    dispatcher = shop.dispatcher(sender, flights=Flights(quick_lane=4, slow_lane=2))
    await happen(shop)
    async with asyncio.timeout(20):
        while len(dispatcher.flights.slow) < 3:
            await dispatcher.run_once()
        for sent in range(2, 8):
            await happen(shop)
            while len(merchant_server.bodies()) < sent:
                await dispatcher.run_once()
        assert len(merchant_server.got) == 7 + 3
        released.set()
        await dispatcher.drain()
    assert len(merchant_server.got) == 7 * 4


async def test_each_endpoint_gets_a_first_before_any_gets_a_second_wherever_a_look_begins(
    shop: Shop, merchant_server: Receiver, sender: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane for one, five endpoints, three events: looks go on where the one before had enough."""
    monkeypatch.setattr(flights, "SLOW_S", math.inf)  # whatever a machine stands still for, none is slow
    paths = {f"/hook{n}" for n in range(5)}
    for path in paths:
        await endpoint(shop, merchant_server.url + path)
    for _ in range(3):
        await happen(shop)

    assert await shop.dispatcher(sender, flights=Flights(quick_lane=1, slow_lane=2)).drain() == 15

    came = [path for path, _, _ in merchant_server.got]
    assert [set(came[n : n + 5]) for n in (0, 5, 10)] == [paths, paths, paths]


async def test_a_look_that_finds_room_left_sends_more_to_those_that_have_more(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    """One endpoint has three due, another one; four may be sent, and all are by one look."""
    busy = await endpoint(shop, merchant_server.url + "/busy")
    for _ in range(2):
        await happen(shop)
    await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)

    async def claimed(quick: int, **others: Any) -> list[str]:
        values = {"others": [], "aloft": {}, "slow": 0, "slow_endpoints": []} | others
        async with shop.worker.transaction() as conn:
            found, _ = await claim(
                conn, now=shop.clock.now(), after="", quick=quick, per_endpoint=3, lease_s=60, **values
            )
        return sorted(each.url.removeprefix(merchant_server.url) for each in found)

    assert await claimed(2) == ["/busy", "/hook"]
    assert await claimed(9, others=[busy["id"]], aloft={busy["id"]: 2}) == ["/busy"]
    assert await claimed(9, others=[busy["id"]], slow=1, slow_endpoints=[busy["id"]]) == ["/busy"]
    assert await claimed(9) == []


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


async def test_the_second_signature_is_sent_where_it_is_wanted_by_each_secret(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook", bascule_signature=True)
    await endpoint(shop, merchant_server.url + "/plain")
    async with shop.client() as client:
        path = f"/v1/webhook_endpoints/{hook['id']}"
        new = (await client.post(f"{path}/rotate_secret", json={"overlap": 60})).json()["secret"]
    await happen(shop)
    await shop.dispatcher(sender).drain()

    sent = {path: (headers, body) for path, headers, body in merchant_server.got}
    headers, body = sent["/hook"]
    at = headers["webhook-timestamp"]
    expected = [
        hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256").hex()
        for secret in (new, hook["secret"])
    ]
    assert headers["bascule-signature"] == f"t={at},v1={expected[0]},v1={expected[1]}"
    assert "bascule-signature" not in sent["/plain"][0]


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


async def test_a_lease_writes_no_index_while_pages_are_full_of_others(
    shop: Shop, merchant_server: Receiver
) -> None:
    await endpoint(shop, merchant_server.url + "/hook")
    await happen(shop)
    async with shop.worker.transaction() as conn:
        await conn.execute(
            "INSERT INTO deliveries (id, event_id, endpoint_id, replay, next_at, created_at)"
            " SELECT id || n, event_id, endpoint_id, n, next_at, created_at"
            "   FROM deliveries, generate_series(1, 200) AS n"
        )
        leased, _ = await claim(
            conn, now=shop.clock.now(), after="", others=[], aloft={}, quick=200, per_endpoint=200,
            slow=0, slow_endpoints=[], lease_s=60,
        )  # fmt: skip
        counted = await conn.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'deliveries'"
        )
        assert await counted.fetchone() == (len(leased), len(leased)) == (200, 200)
