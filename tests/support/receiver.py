"""A merchant's webhook receiver on this machine: a real HTTP server that keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import AsyncResolver, web
from aiohttp.abc import AbstractResolver

from bascule.services.egress import EgressRules
from bascule.services.http_sender import HttpSender
from bascule.storage.database import refuse_open_transaction

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """What arrived, in order; `answers` says what each path answers, 200 where it says nothing."""

    url: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: dict[str, Answering] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((request.path, headers, body))
        self.arrived.set()
        answering = self.answers.get(request.path)
        return web.Response(text="ok") if answering is None else await answering(request)

    def bodies(self, path: str = "/hook") -> list[bytes]:
        return [body for at, _, body in self.got if at == path]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def local_sender(
    *,
    allow_local: bool = True,
    timeout_s: float = 5.0,
    names: Callable[[], AbstractResolver] = AsyncResolver,
) -> AsyncIterator[HttpSender]:
    """The real sender, allowed to call this machine."""
    async with HttpSender(refuse_open_transaction, EgressRules(allow_local), timeout_s, names) as sender:
        yield sender
