"""Nodes that say what a test tells them to, by HTTP, and a pool of real clients of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp import web

from bascule.chain import heads
from bascule.chain.families import ETHEREUM
from bascule.chain.node import Node
from bascule.chain.pool import Pool
from bascule.chain.rpc import Rpc
from tests.support.nodes import no_guard, resealed, serve

CHAIN = 31_337
EMPTY: dict[str, Any] = {
    "parentHash": "0x" + "11" * 32, "sha3Uncles": "0x" + "22" * 32, "miner": "0x" + "33" * 20,
    "stateRoot": "0x" + "44" * 32, "transactionsRoot": "0x" + "55" * 32, "receiptsRoot": "0x" + "66" * 32,
    "logsBloom": "0x" + "00" * 256, "difficulty": "0x0", "gasLimit": "0x1", "gasUsed": "0x0",
    "timestamp": "0x1", "extraData": "0x", "mixHash": "0x" + "77" * 32, "nonce": "0x" + "00" * 8,
    "transactions": [], "hash": "0x" + "00" * 32,
}  # fmt: skip


def block(number: int, fork: int = 0) -> dict[str, Any]:
    """A header at a height that hashes to its name."""
    return resealed({**EMPTY, "number": hex(number), "gasUsed": hex(fork)})


class Script:
    """A node of one chain with a head, which may refuse, stand on a fork, or be silent until it is told."""

    def __init__(self, head: int = 10) -> None:
        self.head = head
        self.final = 5
        self.fork = 0
        self.chain_id = CHAIN
        self.syncing: Any = False
        self.status = 200
        self.headers: dict[str, str] = {}
        self.twist: Any = lambda method, value: value
        self.asked: Counter[str] = Counter()
        self.silent: asyncio.Event | None = None

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if self.silent is not None:
            await self.silent.wait()
        if self.status != 200:
            return web.Response(status=self.status, text="<html>", headers=self.headers)
        many = body if isinstance(body, list) else [body]
        answers = [{"jsonrpc": "2.0", "id": call["id"], **self._answer(call)} for call in many]
        return web.json_response(answers if isinstance(body, list) else answers[0])

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        method, params = call["method"], call["params"]
        self.asked[method] += 1
        value: Any = None
        if method == "eth_chainId":
            value = hex(self.chain_id)
        elif method == "eth_syncing":
            value = self.syncing
        elif method == heads.BY_NUMBER:
            tags = {"latest": self.head, "finalized": self.final}
            number = tags[params[0]] if params[0] in tags else int(params[0], 16)
            value = block(number, self.fork) if number <= self.head else None
        elif method == "eth_sendRawTransaction":
            value = "0x" + "99" * 32
        value = self.twist(method, value)
        return value if isinstance(value, dict) and "error" in value else {"result": value}


class Pooled:
    """A pool with its scripts, and a clock that stands still."""

    def __init__(self, scripts: list[Script], pool: Pool, now: list[float]) -> None:
        self.scripts, self.pool, self._now = scripts, pool, now

    @property
    def now(self) -> float:
        return self._now[0]

    def advance(self, seconds: float) -> None:
        self._now[0] += seconds

    def states(self) -> list[str]:
        return [node.state.value for node in self.pool.nodes]

    def asked(self) -> list[int]:
        """How often each node was asked, since it was looked at last."""
        counts = [script.asked.total() for script in self.scripts]
        for script in self.scripts:
            script.asked.clear()
        return counts


async def pooled(
    stack: AsyncExitStack, count: int = 3, quorum: int = 1, tiers: str = "111", patience_s: float = 60.0
) -> Pooled:
    """patience_s: so long that every node is heard, unless a test is about who is not waited for."""
    session = await stack.enter_async_context(aiohttp.ClientSession())
    scripts = [Script() for _ in range(count)]
    urls = [await stack.enter_async_context(serve(script.handle)) for script in scripts]
    rpcs = [Rpc(url, session=session, guard=no_guard, timeout_s=60.0, family=ETHEREUM) for url in urls]
    nodes = [Node(rpc, name, int(tier)) for rpc, name, tier in zip(rpcs, "abc", tiers, strict=False)]
    now = [0.0]
    made = Pool(nodes, chain_id=CHAIN, quorum=quorum, patience_s=patience_s, clock=lambda: now[0])
    return Pooled(scripts, made, now)
