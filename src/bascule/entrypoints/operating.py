"""A process's own port for operators: /healthz, /readyz and /metrics, beside whatever the process does."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from bascule.domain.errors import BasculeError
from bascule.entrypoints.metrics import Meters
from bascule.entrypoints.readiness import readiness
from bascule.services.seams import Clock
from bascule.storage import health
from bascule.storage.database import Database

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serving(
    sock: socket.socket, db: Database, clock: Clock, meters: Meters, ready_lag_s: float
) -> AsyncIterator[None]:
    """Serves the three paths at a listening socket while the block runs."""

    async def healthz(request: web.Request) -> web.Response:
        return _json(200, {"status": "alive"})

    async def readyz(request: web.Request) -> web.Response:
        return _json(*await readiness(db, clock, ready_lag_s))

    async def metrics(request: web.Request) -> web.Response:
        meters.now = clock.now
        try:
            async with db.read() as conn:
                meters.followed = await health.followed(conn)
        except BasculeError:
            meters.followed = ()  # what the process knows by itself is said nevertheless
        return web.Response(body=meters.text(), headers={"content-type": PLAIN})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        await runner.cleanup()


def _json(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
