"""The receivers on the webhooks page take what we send, once, and refuse what we did not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.domain import webhook
from bascule.entrypoints.ports import listen
from tests.support.api import Shop
from tests.support.hooks import endpoint, happen
from tests.support.receiver import local_sender, receiver
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
SECRET = webhook.new_secret(b"\x07" * 32)
Take = Callable[[bytes, dict[str, str]], Awaitable[int]]


def written(name: str) -> str:
    """The page's snippet."""
    page = (ROOT / "docs" / "api" / "webhooks.md").read_text(encoding="utf-8")
    [code] = re.findall(rf"<!-- snippet {name} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    return str(code)


def snippet(name: str) -> dict[str, Any]:
    """What the page's snippet defines."""
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(written(name), f"{name} snippet", "exec"), defined)
    return defined


def fastapi(defined: dict[str, Any]) -> Take:
    """The FastAPI receiver."""

    async def take(body: bytes, headers: dict[str, str]) -> int:
        transport = httpx.ASGITransport(app=defined["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            return (await client.post("/hooks", content=body, headers=headers)).status_code

    return take


def flask(defined: dict[str, Any]) -> Take:
    """The Flask receiver."""

    async def take(body: bytes, headers: dict[str, str]) -> int:
        client = defined["app"].test_client()
        answer = await asyncio.to_thread(client.post, "/hooks", data=body, headers=headers)
        status: int = answer.status_code
        return status

    return take


def django(defined: dict[str, Any]) -> Take:
    """The Django receiver."""
    from django.conf import settings
    from django.test import RequestFactory

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], DEFAULT_CHARSET="utf-8")

    async def take(body: bytes, headers: dict[str, str]) -> int:
        request = RequestFactory().post("/hooks", body, content_type="application/json", headers=headers)
        answer = await asyncio.to_thread(defined["hooks"], request)
        status: int = answer.status_code
        return status

    return take


async def delivered(shop: Shop) -> tuple[dict[str, Any], dict[str, str], bytes]:
    """An endpoint, and the headers and body of an event as it was sent there."""
    async with receiver() as merchant, local_sender() as sender:
        hook = await endpoint(shop, merchant.url + "/hook")
        await happen(shop)
        await shop.dispatcher(sender).drain()
        [(_, sent, body)] = merchant.got
    return hook, dict(sent), body


@pytest.mark.parametrize("framework", [fastapi, flask, django])
async def test_the_pages_receiver_takes_each_event_once_and_refuses_what_we_did_not_send(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, framework: Callable[[dict[str, Any]], Take]
) -> None:
    hook, sent, body = await delivered(shop)
    monkeypatch.setenv("WEBHOOK_SECRET", hook["secret"])
    defined = snippet(framework.__name__)
    take = framework(defined)
    headers = {name: value for name, value in sent.items() if name.startswith(("webhook-", "content-type"))}

    assert [await take(body, headers) for _ in range(2)] == [200, 200]
    assert defined["seen"] == {headers["webhook-id"]}
    forged = headers | webhook.headers(
        [SECRET], headers["webhook-id"], int(headers["webhook-timestamp"]), body
    )
    assert [await take(body, forged), await take(body + b" ", headers)] == [400, 400]
    assert await take(body, {"content-type": "application/json"}) == 400


async def test_the_pages_express_receiver_takes_each_event_and_refuses_what_we_did_not_send(
    shop: Shop, npm_package: Callable[[str], Path]
) -> None:
    hook, sent, body = await delivered(shop)
    place = npm_package("express")
    (place / "server.mjs").write_text(written("express"), encoding="utf-8")
    headers = {name: value for name, value in sent.items() if name.startswith(("webhook-", "content-type"))}
    forged = headers | webhook.headers(
        [SECRET], headers["webhook-id"], int(headers["webhook-timestamp"]), body
    )
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with running(place, WEBHOOK_SECRET=hook["secret"], PORT=str(port)):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def take(body: bytes, headers: dict[str, str]) -> int:
                return (await client.post("/hooks", content=body, headers=headers)).status_code

            await until(lambda: take(body, headers))
            assert [await take(body, headers) for _ in range(2)] == [200, 200]
            assert [await take(body, forged), await take(body + b" ", headers)] == [400, 400]
            assert await take(body, {"content-type": "application/json"}) == 400


@contextlib.contextmanager
def running(place: Path, **environ: str) -> Iterator[None]:
    """`server.mjs` of a folder under node."""
    node = shutil.which("node")
    assert node is not None, "npm was there to install it"
    server = subprocess.Popen([node, "server.mjs"], cwd=place, env=os.environ | environ)
    try:
        yield
    finally:
        server.terminate()
        server.wait(timeout=10)


async def until(ask: Callable[[], Awaitable[int]]) -> None:
    """A server that has just been started answers. Fails after ten seconds."""
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            await ask()
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the server did not come up")
