"""A chain that executes late: each header carries bloom and receipts' root of the block before it.

A proxy before a true chain that names every block anew, so that headers hash to their names and link up.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash
from tests.support.nodes import serve

# A member that every block of the local chain has says that roots are of other blocks here.
LATE = replace(ETHEREUM, name="late", elsewhere="baseFeePerGas")
_OF_BEFORE = ("logsBloom", "receiptsRoot")


class LateRoots:
    """Answers for the chain behind `target`; `renamed`: true name of a block to its name here, in order."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self._target, self._session = target, session
        self._blocks: dict[str, dict[str, Any]] = {}
        self._newest: dict[str, Any] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        await self._follow()
        asked = (await request.read()).decode()
        for true, block in self._blocks.items():
            asked = asked.replace(block["hash"], true)
        answer = await self._ask(json.loads(asked))
        answers = answer if isinstance(answer, list) else [answer]
        for each in answers:
            result = each.get("result")
            if isinstance(result, dict) and "receiptsRoot" in result:
                each["result"] = result | self._blocks[result["hash"]]
        told = json.dumps(answer)
        for true, block in self._blocks.items():
            told = told.replace(true, block["hash"])
        return web.Response(text=told, content_type="application/json")

    async def _follow(self) -> None:
        """Names every block up to the head; the chain does not fork."""
        head = int((await self._ask(_call("eth_blockNumber")))["result"], 16)
        for number in range(len(self._blocks), head + 1):
            block = (await self._ask(_call("eth_getBlockByNumber", hex(number), False)))["result"]
            if self._newest is not None:
                parent = self._blocks[self._newest["hash"]]["hash"]
                other = {**block, **{name: self._newest[name] for name in _OF_BEFORE}, "parentHash": parent}
                name = "0x" + header_hash(ETHEREUM, msgspec.convert(other, HeaderJson)).hex()
                bent = {member: other[member] for member in (*_OF_BEFORE, "parentHash")}
                self._blocks[block["hash"]] = {**bent, "hash": name}
            else:
                self._blocks[block["hash"]] = {"hash": block["hash"]}
            self._newest = block

    async def _ask(self, body: Any) -> Any:
        async with self._session.post(self._target, json=body) as response:
            return await response.json()


def _call(method: str, *params: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@asynccontextmanager
async def late_roots(target: str) -> AsyncIterator[str]:
    """The URL of such a chain before the node at `target`."""
    async with aiohttp.ClientSession() as session, serve(LateRoots(target, session).handle) as url:
        yield url
