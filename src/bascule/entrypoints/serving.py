"""An ASGI application on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import uvicorn


async def serve(
    app: Any, sock: socket.socket, *, ready: Callable[[Mapping[str, Any]], None], stop: asyncio.Event
) -> None:
    """Serves `app` (ASGI) on a listening socket until `stop`; requests under way have three seconds."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose address it is, the connection says; X-Forwarded-For can say anything
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign] # signals set `stop`, nothing else
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn sets a flag, no event
        await asyncio.sleep(0.005)
    if server.started:
        ready({"port": sock.getsockname()[1]})
    await asyncio.wait(
        [serving, stopping := asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED
    )
    stopping.cancel()
    server.should_exit = True
    await serving
