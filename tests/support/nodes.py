"""Misbehaving nodes: one that answers what a test says, and one that stands before a true node and lies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash

Twist = Callable[[str, list[Any], Any], Any]


def no_guard() -> None:
    """A guard for tests that hold no transaction."""


class Refuse(Exception):
    """Raised by a twist: the node answers with this JSON-RPC error."""

    def __init__(self, message: str, code: int = -32000) -> None:
        super().__init__(message)
        self.code = code


def resealed(block: dict[str, Any]) -> dict[str, Any]:
    """Another block at the same height: bent, and under the hash that fits."""
    other = {**block, "extraData": "0x0bad"}
    return {**other, "hash": "0x" + header_hash(ETHEREUM, msgspec.convert(other, HeaderJson)).hex()}


class LyingNode:
    """Forwards requests to `target`; `twist(method, params, result)` returns what is answered instead.

    target may be changed; before: awaited with each request's body before it is passed on; asked: every
    method asked for.
    """

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.twist: Twist = lambda method, params, result: result
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.target = target
        self._session = session

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.before is not None:
            await self.before(body.decode())
        async with self._session.post(
            self.target, data=body, headers={"content-type": "application/json"}
        ) as response:
            answer = await response.json()
        asked = json.loads(body)
        if isinstance(asked, list):
            by_id = {item["id"]: item for item in answer}
            return web.json_response([self._answer(item, by_id[item["id"]]) for item in asked])
        return web.json_response(self._answer(asked, answer))

    def _answer(self, request: dict[str, Any], true: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request["method"])
        if "result" not in true:
            return true
        try:
            return {**true, "result": self.twist(request["method"], request["params"], true["result"])}
        except Refuse as refusal:
            error = {"code": refusal.code, "message": str(refusal)}
            return {"jsonrpc": "2.0", "id": request["id"], "error": error}


@asynccontextmanager
async def serve(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """An HTTP server on a free port of this machine; yields its URL."""
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def lying_node(target: str) -> AsyncIterator[LyingNode]:
    """A LyingNode before the node at `target`."""
    async with aiohttp.ClientSession() as session:
        node = LyingNode(target, session)
        async with serve(node.handle) as url:
            node.url = url
            yield node
