"""A process's own port for operators: /healthz, /readyz and /metrics, beside whatever the process does."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bascule.domain.errors import BasculeError
from bascule.entrypoints.metrics import Meters
from bascule.entrypoints.ports import listen
from bascule.entrypoints.readiness import readiness
from bascule.services.seams import Clock
from bascule.storage import gas, health, standing
from bascule.storage.database import Database

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

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
                meters.followed, meters.wallets = await health.followed(conn), await gas.standing(conn)
                meters.standing = await standing.read(conn, clock.now()) if meters.tells_money else None
        except BasculeError:
            # what the process knows by itself is said nevertheless
            meters.followed, meters.wallets, meters.standing = (), (), None
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


@asynccontextmanager
async def operated(
    settings: Settings, db: Database, clock: Clock, meters: Meters | None
) -> AsyncIterator[dict[str, Any]]:
    """The process's own port for operators, where one is set; yields what the process says of it."""
    if meters is None or settings.metrics_port is None:
        yield {}
        return
    with listen(settings.metrics_host, settings.metrics_port) as sock:
        async with serving(sock, db, clock, meters, settings.ready_lag_s):
            yield {"metrics_port": sock.getsockname()[1]}


def _json(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
