"""A node that misbehaves on demand: an HTTP proxy before any true node.

    async with fault_proxy(node.url) as proxy:
        proxy.set("truncate", drop=1, times=2)

It answers the local chain's own `bascule_setFault`, `bascule_clearFaults` and `bascule_faults` itself, so
it can be steered from any language: `python -m tests.support.fault_proxy --upstream URL --port N`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiohttp import web

from bascule.entrypoints.devchain.errors import RpcError, invalid_params
from bascule.entrypoints.devchain.faults.armed import Faults
from bascule.entrypoints.devchain.faults.controls import fault_controls
from bascule.entrypoints.devchain.faults.delivery import CORS, deliver
from bascule.entrypoints.devchain.faults.exchange import exchange

MAX_BODY = 64 * 1024 * 1024
JSON = {"content-type": "application/json"}


class Relayed(NamedTuple):
    """A node's answer as it came."""

    status: int
    content_type: str
    body: bytes

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=self.body, content_type=self.content_type, headers=CORS)


class NotJson(Exception):
    """The node's answer is no JSON; it is passed on as it is."""

    def __init__(self, relayed: Relayed) -> None:
        super().__init__(relayed.status)
        self.relayed = relayed


class FaultProxy:
    """Passes requests on to the node at `upstream`, bent by the faults that are set.

    asked: every method that was asked for, in order.
    """

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.faults = Faults(second_node=True)
        self._upstream = upstream
        self._session = session
        self._controls = fault_controls(self.faults)

    def set(self, kind: str, **members: Any) -> int:
        """Sets a fault and returns its number."""
        return self.faults.set({"kind": kind, **members})

    def clear(self) -> None:
        """Tells the truth again."""
        self.faults.clear()

    @contextmanager
    def lying(self, fault: Mapping[str, Any]) -> Iterator[None]:
        """Within, the fault is set; it must hit something, and what fails there names it."""
        number = self.faults.set(dict(fault))
        try:
            yield
            [hits] = [told["hits"] for told in self.faults.listed() if told["id"] == number]
            assert hits, "the fault hit nothing"
        except BaseException as error:
            error.add_note(f"while the node was made to lie by {dict(fault)}")
            raise
        finally:
            self.faults.clear([number])

    def hits(self) -> dict[str, int]:
        """How often each kind hit, of those that are set."""
        listed = self.faults.listed()
        return {
            fault["kind"]: sum(f["hits"] for f in listed if f["kind"] == fault["kind"]) for fault in listed
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers one HTTP request."""
        body = await request.read()
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            return (await self._post(body, self._upstream)).response()
        if isinstance(payload, dict) and payload.get("method") in self._controls:
            return web.json_response(self._steer(payload), headers=CORS)
        calls = payload if isinstance(payload, list) else [payload]
        self.asked += [str(call.get("method")) for call in calls if isinstance(call, dict)]
        try:
            return await deliver(request, await exchange(self.faults, payload, self._node))
        except NotJson as answer:
            return answer.relayed.response()

    def _steer(self, call: dict[str, Any]) -> dict[str, Any]:
        told = {"jsonrpc": "2.0", "id": call.get("id")}
        try:
            return told | {"result": self._controls[call["method"]](*(call.get("params") or []))}
        except TypeError:
            error = invalid_params("one object is needed")
        except RpcError as refused:
            error = refused
        return told | {"error": {"code": error.code, "message": error.message}}

    async def _node(self, payload: Any, upstream: str | None) -> Any:
        relayed = await self._post(orjson.dumps(payload), upstream or self._upstream)
        try:
            return orjson.loads(relayed.body) if relayed.body else None
        except orjson.JSONDecodeError:
            raise NotJson(relayed) from None

    async def _post(self, body: bytes, url: str) -> Relayed:
        async with self._session.post(url, data=body, headers=JSON) as response:
            return Relayed(response.status, response.content_type, await response.read())


@asynccontextmanager
async def fault_proxy(upstream: str, port: int = 0) -> AsyncIterator[FaultProxy]:
    """A proxy on loopback, at a free port unless one is given."""
    async with aiohttp.ClientSession() as session:
        proxy = FaultProxy(upstream, session)
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()


async def _serve(upstream: str, port: int) -> None:
    async with fault_proxy(upstream, port) as proxy:
        print(f"{proxy.url} stands before {upstream}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Runs a proxy until it is ended."""
    parser = argparse.ArgumentParser(description="A node that misbehaves on demand, before a true one.")
    parser.add_argument("--upstream", required=True, help="URL of the true node")
    parser.add_argument("--port", type=int, default=0, help="port of the proxy; 0 takes a free one")
    chosen = parser.parse_args()
    if not chosen.upstream.startswith(("http://", "https://")):
        parser.error(f"--upstream: an http or https URL is needed, not {chosen.upstream!r}")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(chosen.upstream, chosen.port))
    except OSError as error:
        parser.error(f"port {chosen.port} cannot be used: {error.strerror}")


if __name__ == "__main__":
    main()
