"""`listen` brings a server what a webhook would, and goes on when either side was away."""

import asyncio
from itertools import islice
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bascule.client import Client, construct_event
from bascule.domain.webhook import new_secret
from bascule.entrypoints.api import create_app
from bascule.entrypoints.cli import listening
from bascule.entrypoints.cli.listening import Forwarder
from tests.support.api import OpenAs, open_shop
from tests.support.receiver import receiver
from tests.support.sandbox import served

SECRET = new_secret(b"l" * 32)


async def test_new_events_reach_the_server_signed_in_order_and_once(db_as: OpenAs) -> None:
    shop = await open_shop(db_as)

    async def intent(client: Client) -> None:
        await asyncio.to_thread(lambda: client.payment_intents.create(amount="2.00", currency="usdc"))
        await shop.sequencer().run_once()

    async def told(forwarder: Forwarder, n: int) -> list[dict[str, Any]]:
        """Its next lines; then it is stopped, as by Ctrl-C."""

        def first() -> list[dict[str, Any]]:
            following = forwarder.follow()
            try:
                return list(islice(following, n))
            finally:
                following.close()  # type: ignore[attr-defined]

        return await asyncio.to_thread(first)

    async with served(create_app(shop.deps)) as url, receiver() as heard:
        with Client(shop.secret, base_url=url, max_retries=0) as client:
            await intent(client)
            forwarder = Forwarder(client, f"{heard.url}/hook", SECRET)
            ready = await asyncio.to_thread(lambda: list(forwarder.start()))
            await intent(client)
            lines = await told(forwarder, 1)
            await intent(client)
            lines += await told(forwarder, 1)
            picky = Forwarder(client, "http://127.0.0.1:9/closed", SECRET, ["payment_intent.created"], 0)
            closed = await told(picky, 3)

    assert ready == []
    assert [(each["type"], each["status"]) for each in lines] == [("payment_intent.created", 200)] * 2
    assert [each["account_sequence"] for each in lines] == [2, 3]
    assert [construct_event(body, headers, SECRET)["id"] for _, headers, body in heard.got] == [
        each["id"] for each in lines
    ]
    assert [(each["status"], each["type"]) for each in closed] == [(None, "payment_intent.created")] * 3


async def test_a_stream_that_breaks_or_is_refused_for_a_while_is_followed_from_where_it_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends, is too busy twice and says for how long, has streams enough, is down, and goes on."""
    asked: list[tuple[str, float]] = []
    answers: list[tuple[int, dict[str, str], bytes]] = [
        (200, {}, sse(7) + sse(8)),
        (429, {"Retry-After": "1"}, b'{"error":{"type":"rate_limit_error","code":"rate_limited"}}'),
        (409, {}, b'{"error":{"type":"conflict_error","code":"too_many_streams"}}'),
        (503, {}, b""),
        (200, {}, b": still here\n\n" + sse(9)),
    ]

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.query_string, asyncio.get_running_loop().time()))
        status, headers, body = answers.pop(0)
        return web.Response(status=status, headers=headers, body=body)

    monkeypatch.setattr(listening, "RECONNECT_S", 0.0)
    app = web.Application()
    app.router.add_get("/v1/events/stream", answer)
    async with TestServer(app) as api, receiver() as heard:
        with Client("sk", base_url=str(api.make_url("")), max_retries=0) as client:
            following = Forwarder(client, f"{heard.url}/hook", SECRET, ["a", "b"], 6).follow()
            lines = await asyncio.to_thread(lambda: list(islice(following, 4)))

    assert [each.get("account_sequence", each["event"]) for each in lines] == [7, 8, "waiting", 9]
    assert [orjson.loads(body)["account_sequence"] for _, _, body in heard.got] == [7, 8, 9]
    numbers = [query.partition("&")[0] for query, _ in asked]
    assert numbers == [f"after_sequence={n}" for n in (6, 8, 8, 8, 8)]
    assert asked[2][1] - asked[1][1] >= 1.0, "Retry-After is honoured"


def sse(number: int) -> bytes:
    """An event as the stream tells it."""
    event = {"id": f"evt_{number}", "type": "a", "account_sequence": number, "data": {"object": {"id": "x"}}}
    return b"id: %d\nevent: a\ndata: %b\n\n" % (number, orjson.dumps(event))
