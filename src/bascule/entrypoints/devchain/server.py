"""JSON-RPC over HTTP and WebSocket on one port, CORS for browser wallets, never a status 500."""

from typing import Any

import msgspec
import orjson
from aiohttp import web

from bascule.entrypoints.devchain import websocket
from bascule.entrypoints.devchain.dispatch import MAX_BODY, dispatch, failure, parsed
from bascule.entrypoints.devchain.errors import INVALID_REQUEST, RpcError
from bascule.entrypoints.devchain.faults.delivery import deliver
from bascule.entrypoints.devchain.faults.exchange import exchange
from bascule.entrypoints.devchain.methods import Methods


def application(methods: Methods) -> web.Application:
    """Returns the web application; every path answers, as users append paths of other nodes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(request, methods)

    app = web.Application(client_max_size=MAX_BODY)
    app[websocket.SOCKETS] = set()
    app.on_shutdown.append(websocket.close_all)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _answer(request: web.Request, methods: Methods) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return _preflight(request)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await websocket.converse(request, methods)
    if request.method != "POST":
        error = failure(None, RpcError(INVALID_REQUEST, "JSON-RPC wants POST"))
        return _response(error, status=405, headers={"Allow": "POST, OPTIONS"})
    try:
        body = parsed(await request.read())
    except web.HTTPRequestEntityTooLarge:
        too_large = RpcError(INVALID_REQUEST, f"request body is over {MAX_BODY} bytes")
        return _response(failure(None, too_large), status=413)
    except RpcError as error:
        return _response(failure(None, error))
    if methods.faults:
        return await _misbehave(request, body, methods)
    return _response(await dispatch(body, methods.call))


async def _misbehave(request: web.Request, body: Any, methods: Methods) -> web.StreamResponse:
    """Answers through the faults that are set; they see and bend plain JSON."""

    async def truth(payload: Any, upstream: str | None) -> Any:
        told = await dispatch(payload, methods.call)
        return None if told is None else orjson.loads(msgspec.json.encode(told))

    return await deliver(request, await exchange(methods.faults, body, truth))


def _response(answer: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=b"" if answer is None else msgspec.json.encode(answer),
        status=status,
        content_type="application/json",
        headers={"Access-Control-Allow-Origin": "*"} | (headers or {}),
    )


def _preflight(request: web.Request) -> web.Response:
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "content-type"),
        "Access-Control-Max-Age": "600",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)
