"""An answer on its way: what is in it, how it is put on the wire, and the faults that hit it there."""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from aiohttp import web

from bascule.entrypoints.devchain.faults.armed import Strike
from bascule.entrypoints.devchain.faults.calls import error_body
from bascule.entrypoints.devchain.faults.views import Call
from bascule.entrypoints.devchain.faults.words import WORDS

CORS = {"Access-Control-Allow-Origin": "*"}
POLL_SECONDS = 0.02
# nginx's words for its own pages.
_TITLES = {413: "413 Request Entity Too Large", 429: "429 Too Many Requests", 502: "502 Bad Gateway"}
_TITLES |= {503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}

encode = msgspec.json.encode


@dataclass(frozen=True)
class Delivery:
    """What reaches the caller. silent: instead of an answer, so many seconds of silence and a closed
    connection; reset_after: so many bytes, then the connection is reset; pieces, seconds: sent in so many
    pieces over so long."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: float | None = None
    reset_after: int | None = None
    pieces: int = 1
    seconds: float = 0.0


async def deliver(request: web.Request, delivery: Delivery) -> web.StreamResponse:
    """Puts a delivery on the wire. What it returns goes nowhere when the connection is closed by then."""
    if delivery.silent is not None:
        await _silence(request, delivery.silent)
        _close(request)
        return web.Response()
    headers = {**CORS, **delivery.headers}
    if delivery.pieces == 1 and delivery.reset_after is None:
        return web.Response(
            body=delivery.body, status=delivery.status, content_type=delivery.content_type, headers=headers
        )
    response = web.StreamResponse(status=delivery.status, headers=headers)
    response.content_type, response.content_length = delivery.content_type, len(delivery.body)
    try:
        await response.prepare(request)
        for piece in _pieces(delivery):
            await response.write(piece)
            await _silence(request, delivery.seconds / delivery.pieces)
    except ConnectionError:
        return response  # the caller had enough
    if delivery.reset_after is not None:
        _reset(request)
    return response


def _pieces(delivery: Delivery) -> list[bytes]:
    body = delivery.body[: delivery.reset_after]
    size = max(1, -(-len(body) // delivery.pieces))
    return [body[at : at + size] for at in range(0, len(body), size)]


async def _silence(request: web.Request, seconds: float) -> None:
    """Waits, but no longer than the caller does."""
    until = asyncio.get_running_loop().time() + seconds
    while (left := until - asyncio.get_running_loop().time()) > 0:
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(min(POLL_SECONDS, left))


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    # Lingering for no time makes closing a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


def _silent(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    return replace(delivery, silent=strike["seconds"] if strike.kind == "hang" else 0.0)


def _page(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    status, text, retry_after = strike["status"], strike["text"], strike["retry_after"]
    title = _TITLES.get(status, str(status))
    html = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center>\r\n"
    body = f"{html}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n" if text is None else text
    return Delivery(
        body.encode(),
        status=status,
        content_type="text/html" if text is None else "text/plain",
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
    )


def _http_error(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    words = WORDS[strike["client"]][strike["says"]]
    number = calls[0].get("id") if len(calls) == 1 else None
    body = encode({"jsonrpc": "2.0", "id": number, "error": error_body(words)})
    headers = {} if words.retry_after is None else {"Retry-After": str(words.retry_after)}
    return Delivery(body, status=words.status, headers=headers)


def _share(delivery: Delivery, strike: Strike) -> int:
    return min(len(delivery.body) - 1, int(len(delivery.body) * strike["keep"]))


def _cut(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    return replace(delivery, body=delivery.body[: _share(delivery, strike)])


def _torn(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    return replace(delivery, reset_after=_share(delivery, strike))


def _drip(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    return replace(delivery, pieces=strike["pieces"], seconds=strike["seconds"])


def _huge(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    return replace(delivery, body=b" " * strike["bytes"] + delivery.body)


def _twice(delivery: Delivery, strike: Strike, calls: Sequence[Call]) -> Delivery:
    told = msgspec.json.decode(delivery.body) if delivery.body else []
    second = b',"result":' + encode(strike["second"]) + b"}"
    answers = [_one_twice(one, second) for one in (told if isinstance(told, list) else [told])]
    return replace(delivery, body=b"[" + b",".join(answers) + b"]" if isinstance(told, list) else answers[0])


def _one_twice(answer: dict[str, Any], second: bytes) -> bytes:
    return encode(answer)[:-1] + second if "result" in answer else encode(answer)


DELIVERIES: dict[str, Callable[[Delivery, Strike, Sequence[Call]], Delivery]] = {
    "drop": _silent,
    "hang": _silent,
    "page": _page,
    "http_error": _http_error,
    "cut": _cut,
    "reset": _torn,
    "drip": _drip,
    "huge": _huge,
    "duplicate_keys": _twice,
}
