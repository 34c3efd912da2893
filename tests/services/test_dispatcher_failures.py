"""An endpoint that fails is tried again on schedule, given up after five days, and catches up by replay."""

from __future__ import annotations

import orjson
import pytest
from aiohttp import web

from bascule.domain.webhook import DELAYS_S
from bascule.services.http_sender import HttpSender
from bascule.storage import test_clocks
from tests.support.api import Shop
from tests.support.cases import case
from tests.support.hooks import deliveries, endpoint, happen, shown, status_of
from tests.support.receiver import Receiver


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
    assert (await shown(shop, bad["id"]))["disabled_reason"] == "failing"
    await shop.sequencer().run_once()
    await dispatcher.drain()
    assert len(merchant_server.bodies("/good")) == 1


async def test_one_success_ends_the_days_of_failure(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    down = True

    async def sometimes(request: web.Request) -> web.Response:
        return web.Response(status=503 if down else 200)

    merchant_server.answers["/hook"] = sometimes
    hook = await endpoint(shop, merchant_server.url + "/hook")
    dispatcher = shop.dispatcher(sender)
    await happen(shop)
    await dispatcher.drain()
    began = (await shown(shop, hook["id"]))["failing_since"]
    assert began == int(shop.clock.now().timestamp())
    shop.clock.advance(3 * 86_400)
    await dispatcher.drain()
    assert (await shown(shop, hook["id"]))["failing_since"] == began

    down = False
    shop.clock.advance(86_400)
    await dispatcher.drain()
    assert (await shown(shop, hook["id"]))["failing_since"] is None
    down = True
    shop.clock.advance(3 * 86_400)
    await happen(shop)
    await dispatcher.drain()
    assert await status_of(shop, hook["id"]) == "enabled"


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
    assert (await shown(shop, hook["id"]))["disabled_reason"] == "gone"
    [delivery] = await deliveries(shop, hook["id"])
    assert (delivery["status"], delivery["attempts"][0]["response_status"]) == ("exhausted", 410)
    await happen(shop)
    assert len(await deliveries(shop, hook["id"])) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("999999999", 86_400), ("soon", 5), ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 5)],
)
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


async def test_a_replay_sends_what_was_not_taken_and_nothing_twice(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    """Down for three days: one event ran out of attempts, one still waits, one came through before."""
    down = False

    async def sometimes(request: web.Request) -> web.Response:
        return web.Response(status=503 if down else 200)

    merchant_server.answers["/hook"] = sometimes
    hook = await endpoint(shop, merchant_server.url + "/hook", enabled_events=["payment_intent.created"])
    dispatcher = shop.dispatcher(sender)
    await happen(shop)
    await dispatcher.drain()
    down = True
    await happen(shop)
    for delay in DELAYS_S:
        shop.clock.advance(delay * 1.11)
        await dispatcher.drain()
    await happen(shop)
    await dispatcher.drain()
    down = False
    before = len(merchant_server.got)

    path = f"/v1/webhook_endpoints/{hook['id']}/replay"
    async with shop.client() as client:
        later = (await client.post(path, json={"since": int(shop.clock.now().timestamp()) + 1})).json()
        answer = (await client.post(path, json={"after_sequence": 0})).json()
        for _ in range(3):  # what waits to be sent already is not queued once more
            again = await client.post(
                path, json={"after_sequence": 0, "until_sequence": 1, "include_delivered": True}
            )
        refused = await client.post(path, json={})
    await dispatcher.drain()

    assert (later["deliveries"], later["last_sequence"]) == (0, None)
    assert (answer["deliveries"], answer["last_sequence"], answer["has_more"]) == (2, 3, False)
    assert again.json()["deliveries"] == 1
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "parameter_missing")
    numbers = [orjson.loads(body)["account_sequence"] for _, _, body in merchant_server.got[before:]]
    assert sorted(numbers) == [1, 2, 3]
    assert len(set(merchant_server.bodies())) == 3  # the same bytes each time
    assert {each["status"] for each in await deliveries(shop, hook["id"])} == {"delivered", "exhausted"}
    shop.clock.advance(10 * 86_400)
    assert await dispatcher.drain() == 0


async def test_replay_of_a_window_sends_what_happened_from_its_begin_to_before_its_end(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    hook = await endpoint(shop, merchant_server.url + "/hook", enabled_events=["payment_intent.created"])
    dispatcher = shop.dispatcher(sender)
    times = []
    for _ in range(4):
        times.append(int(shop.clock.now().timestamp()))
        await happen(shop)
        shop.clock.advance(100)
    await dispatcher.drain()
    windows: list[tuple[dict[str, int], list[int]]] = [
        ({"since": times[0]}, [1, 2, 3, 4]),
        ({"since": times[1]}, [2, 3, 4]),
        ({"since": times[1] + 1}, [3, 4]),
        ({"after_sequence": 0, "until": times[2]}, [1, 2]),
        ({"after_sequence": 0, "until": times[2] + 1}, [1, 2, 3]),
        ({"after_sequence": 0, "until": times[0]}, []),
        ({"since": times[1], "until": times[3]}, [2, 3]),
        ({"since": times[1], "until": times[1]}, []),
        ({"since": times[3], "until": times[1]}, []),
        ({"since": times[0], "until": times[3] + 1, "after_sequence": 1, "until_sequence": 3}, [2, 3]),
    ]

    async with shop.client() as client:
        for window, expected in windows:
            before = len(merchant_server.got)
            asked = await client.post(
                f"/v1/webhook_endpoints/{hook['id']}/replay", json=window | {"include_delivered": True}
            )
            await dispatcher.drain()
            sent = [orjson.loads(body)["account_sequence"] for _, _, body in merchant_server.got[before:]]
            with case(f"{window}"):
                assert asked.status_code == 200, asked.text
                assert asked.json()["deliveries"] == len(expected)
                assert sorted(sent) == expected


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
        assert (await client.post(f"{path}/replay", json={"after_sequence": 0})).status_code == 409
        assert (await client.post(path, json={"disabled": False})).json()["status"] == "enabled"
        assert await dispatcher.drain() == 1
        assert (await client.delete(path)).json()["deleted"] is True
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/v1/webhook_endpoints")).json()["data"] == []


async def test_test_clock_brings_the_next_attempt_and_the_fifth_day_of_failure(
    shop: Shop, merchant_server: Receiver, sender: HttpSender
) -> None:
    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500)

    async def goes_on(seconds: int) -> int:
        async with shop.api.transaction() as conn:
            await test_clocks.advance(conn, shop.merchant, seconds=seconds, reached=shop.clock.now())
        return await dispatcher.drain()

    merchant_server.answers["/hook"] = fail
    hook = await endpoint(shop, merchant_server.url + "/hook")
    dispatcher = shop.dispatcher(sender)
    await happen(shop)
    assert (await dispatcher.drain(), await dispatcher.drain()) == (1, 0)

    assert await goes_on(6) == 1
    assert await goes_on(6) == 0, "the second pause is five minutes"
    assert await goes_on(330) == 1
    assert await status_of(shop, hook["id"]) == "enabled"
    await goes_on(5 * 86_400)
    assert await status_of(shop, hook["id"]) == "disabled"
