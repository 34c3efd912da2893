"""`logs` tells each request of the account once, in order, also when there was none or none that fits."""

import asyncio
from contextlib import suppress
from itertools import islice

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bascule.client import ApiError, Client, retries
from bascule.entrypoints.api import create_app
from bascule.entrypoints.cli import tailing
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.cli.tailing import Tailing, in_words
from tests.support.api import OpenAs, Shop, open_shop
from tests.support.sandbox import served

LINE = {
    "object": "request", "method": "GET", "path": "/v1/balance", "status": 200, "error_code": None,
    "idempotent_replayed": False, "duration_ms": 3, "api_key": "key_1", "key_prefix": "sk_test_abcdefgh",
    "left_out": 2, "livemode": False, "created": 1_795_000_000,
}  # fmt: skip


async def test_tail_tells_every_new_request_once_and_from_where_nothing_fitted(db_as: OpenAs) -> None:
    shop = await open_shop(db_as)

    async def ask(client: Client, *paths: str) -> None:
        for path in paths:
            await asyncio.to_thread(lambda path=path: _ask(client, path))
        await shop.deps.requests.write()

    async def new(tail: Tailing) -> list[tuple[str, int]]:
        return [(each["path"], each["status"]) for each in await asyncio.to_thread(lambda: list(tail.new()))]

    async with served(create_app(shop.deps)) as url:
        with Client(shop.secret, base_url=url, max_retries=0) as client:
            every, failed = Tailing(client), Tailing(client, {"status": "4xx"})
            assert await new(every) == []
            await ask(client, "/v1/balance", "/v1/none", "/v1/payment_intents/pi_1")
            assert await new(every) == [("/v1/balance", 200), ("/v1/payment_intents/pi_1", 404)]
            assert await new(failed) == [("/v1/payment_intents/pi_1", 404)]
            await ask(client, "/v1/tokens")
            assert (await new(every), await new(failed)) == ([("/v1/tokens", 200)], [])
            assert failed.last == every.last, "what did not fit is not looked through again"
            await ask(client, "/v1/payment_intents/pi_2", "/v1/tokens")
            assert await new(failed) == [("/v1/payment_intents/pi_2", 404)]
            assert await new(every) == [("/v1/payment_intents/pi_2", 404), ("/v1/tokens", 200)]
            assert await new(every) == []


def _ask(client: Client, path: str) -> None:
    with suppress(ApiError):
        client.request("GET", path)


async def test_command_prints_the_newest_requests_for_people_and_for_programs(
    db_as: OpenAs, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = await open_shop(db_as)

    async def told(shop: Shop, url: str, *words: str) -> tuple[int, list[str]]:
        arguments = ["logs", *words, "--api-url", url, "--api-key", shop.secret]
        code = await asyncio.to_thread(run, arguments)
        return code, capsys.readouterr().out.splitlines()

    async with served(create_app(shop.deps)) as url:
        with Client(shop.secret, base_url=url, max_retries=0) as client:
            for path in ("/v1/balance", "/v1/payment_intents/pi_1", "/v1/tokens"):
                await asyncio.to_thread(_ask, client, path)
        await shop.deps.requests.write()
        code, lines = await told(shop, url, "--limit", "2")
        [failed] = (await told(shop, url, "--status", "4xx", "--method", "get", "--json"))[1]
        wrong, _ = await told(shop, url, "--status", "nine")

    assert (code, wrong) == (0, 1)
    assert "  [404]  GET    /v1/payment_intents/pi_1  resource_missing  " in lines[0]
    assert ("  [200]  GET    /v1/tokens  " in lines[1], len(lines)) == (True, 2)
    assert shop.secret[:16] in lines[0]
    assert shop.secret[16:] not in "".join([*lines, failed])
    assert '"error_code": "resource_missing"' in failed


async def test_tail_goes_on_behind_what_it_told_when_the_api_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is away twice: before the first look, and between two lines."""
    asked: list[str] = []
    answers: list[tuple[int, list[str]]] = [
        (503, []), (200, []), (200, ["req_1"]), (200, ["req_1"]),
        (503, []), (200, ["req_2"]), (200, ["req_2"]),
    ]  # fmt: skip

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query_string)
        status, ids = answers.pop(0)
        data = [LINE | {"id": id} for id in ids]
        return web.json_response(
            {"object": "list", "url": "", "has_more": False, "data": data}, status=status
        )

    monkeypatch.setattr(tailing, "POLL_S", 0.0)
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    app = web.Application()
    app.router.add_get("/v1/requests", answer)
    async with TestServer(app) as api:
        with Client("sk", base_url=str(api.make_url("")), max_retries=0) as client:
            following = Tailing(client).follow()
            told = await asyncio.to_thread(lambda: list(islice(following, 4)))

    assert [each.get("id", each.get("event")) for each in told] == ["waiting", "req_1", "waiting", "req_2"]
    assert asked[-1] == "limit=100&ending_before=req_1"
    assert "still asking" in in_words(told[0])
    assert in_words(told[1]).splitlines()[0] == "2 requests before this one are not in the log"
