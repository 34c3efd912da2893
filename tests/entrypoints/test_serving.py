"""A server says whose address a request comes from by the connection it came by."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from bascule.entrypoints.serving import serve


async def test_no_header_changes_whose_address_it_is() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            client = Request(scope).client
            await PlainTextResponse("" if client is None else client.host)(scope, receive, send)

    ports: asyncio.Queue[int] = asyncio.Queue()

    def ready(told: Mapping[str, Any]) -> None:
        ports.put_nowait(told["port"])

    stop = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        serving = asyncio.create_task(serve(app, sock, ready=ready, stop=stop))
        try:
            url = f"http://127.0.0.1:{await asyncio.wait_for(ports.get(), 10)}"
            async with httpx.AsyncClient() as client:
                answer = await client.get(url, headers={"x-forwarded-for": "10.0.0.1"})
        finally:
            stop.set()
            await serving

    assert answer.text == "127.0.0.1"
