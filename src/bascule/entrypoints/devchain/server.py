"""JSON-RPC 2.0 over HTTP: single requests and batches, CORS for browser wallets, never a status 500."""

import logging
from typing import Any

import msgspec
import orjson
from aiohttp import web

from bascule.entrypoints.devchain.errors import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    SERVER_ERROR,
    RpcError,
)
from bascule.entrypoints.devchain.faults.delivery import deliver
from bascule.entrypoints.devchain.faults.exchange import exchange
from bascule.entrypoints.devchain.methods import Methods

# geth's limits: 5 MiB of body, 1,000 requests in a batch.
MAX_BODY = 5 * 1024 * 1024
MAX_BATCH = 1_000
log = logging.getLogger(__name__)


def application(methods: Methods) -> web.Application:
    """Returns the web application; every path answers, as users append paths of other nodes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(request, methods)

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


async def _answer(request: web.Request, methods: Methods) -> web.StreamResponse:
    if request.method == "OPTIONS":
        return _preflight(request)
    if request.method != "POST":
        error = _error(None, RpcError(INVALID_REQUEST, "JSON-RPC wants POST"))
        return _response(error, status=405, headers={"Allow": "POST, OPTIONS"})
    try:
        # py-evm raises the recursion limit so far that msgspec overflows the stack on 100,000 open brackets;
        # orjson has a bound of its own.
        body = orjson.loads(await request.read())
    except web.HTTPRequestEntityTooLarge:
        too_large = RpcError(INVALID_REQUEST, f"request body is over {MAX_BODY} bytes")
        return _response(_error(None, too_large), status=413)
    except orjson.JSONDecodeError:
        return _response(_error(None, RpcError(PARSE_ERROR, "parse error")))
    if methods.faults:
        return await _misbehave(request, body, methods)
    return _response(await _dispatch(body, methods))


async def _misbehave(request: web.Request, body: Any, methods: Methods) -> web.StreamResponse:
    """Answers through the faults that are set; they see and bend plain JSON."""

    async def truth(payload: Any, upstream: str | None) -> Any:
        told = await _dispatch(payload, methods)
        return None if told is None else orjson.loads(msgspec.json.encode(told))

    return await deliver(request, await exchange(methods.faults, body, truth))


async def _dispatch(body: Any, methods: Methods) -> Any:
    """Returns one answer, a list of them, or None where only notifications came."""
    if not isinstance(body, list):
        return await _single(body, methods)
    if not body:
        return _error(None, RpcError(INVALID_REQUEST, "empty batch"))
    if len(body) > MAX_BATCH:
        return _error(None, RpcError(INVALID_REQUEST, f"batch too large: at most {MAX_BATCH} requests"))
    answers = [await _single(request, methods) for request in body]
    return [one for one in answers if one is not None] or None


async def _single(request: Any, methods: Methods) -> dict[str, Any] | None:
    if not isinstance(request, dict):
        return _error(None, RpcError(INVALID_REQUEST, "invalid request"))
    request_id = request.get("id")
    if isinstance(request_id, bool | list | dict):
        return _error(None, RpcError(INVALID_REQUEST, "invalid id"))
    name, arguments = request.get("method"), request.get("params", [])
    if request.get("jsonrpc") != "2.0" or not isinstance(name, str):
        return _error(
            request_id, RpcError(INVALID_REQUEST, 'invalid request: "jsonrpc": "2.0" and a method are needed')
        )
    if not isinstance(arguments, list):
        if arguments is not None:
            return _error(request_id, RpcError(INVALID_PARAMS, "non-array args"))
        arguments = []
    answer = await _call(request_id, name, arguments, methods)
    return answer if "id" in request else None


async def _call(request_id: Any, name: str, arguments: list[Any], methods: Methods) -> dict[str, Any]:
    try:
        result = await methods.call(name, arguments)
    except RpcError as error:
        return _error(request_id, error)
    except Exception as error:
        log.exception("%s failed", name)
        return _error(request_id, RpcError(SERVER_ERROR, f"internal error: {type(error).__name__}"))
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def _error(request_id: Any, error: RpcError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": request_id, "error": body}


def _response(answer: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
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
