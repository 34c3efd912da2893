"""Bytes go to every node at once; each answer is told apart, and none of them is a verdict."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp import web

from bascule.chain import broadcast
from bascule.chain.broadcast import Offer, unanimous
from bascule.chain.node_words import Bytes
from bascule.chain.pool import pool
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Hash
from tests.support.nodes import no_guard, serve

HASH = Hash(bytes(range(32)))


async def said_by(*answers: dict[str, Any]) -> list[Offer]:
    """What nodes with these answers to the bytes say, in this order."""

    def node(answer: dict[str, Any]) -> Any:
        async def handle(request: web.Request) -> web.Response:
            asked = await request.json()
            told = {"result": "0x7a69"} if asked["method"] == "eth_chainId" else answer
            if told.get("dead"):
                return web.Response(status=503)
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], **told})

        return handle

    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        urls = [await stack.enter_async_context(serve(node(answer))) for answer in answers]
        rpcs = [(Rpc(url, session=session, guard=no_guard), 1) for url in urls]
        if len(rpcs) == 1:
            return await broadcast.offer(rpcs[0][0], b"\2", HASH)
        return await broadcast.offer(pool(rpcs, chain_id=31_337), b"\2", HASH)


def refuses(words: str) -> dict[str, Any]:
    return {"error": {"code": -32000, "message": words}}


TAKES = {"result": "0x" + HASH.hex()}


async def test_every_node_is_offered_the_bytes_and_each_answer_is_told() -> None:
    said = await said_by(refuses("tx fee (9 ether) exceeds the configured cap (1 ether)"), TAKES)

    assert [(each.says, each.bytes) for each in said] == [
        ("fee_above_cap", Bytes.UNKNOWN),
        ("accepted", Bytes.IN_POOL),
    ]


async def test_one_dead_node_leaves_open_what_became_of_the_bytes() -> None:
    said = await said_by({"dead": True}, refuses("already known"))

    assert [(each.says, each.bytes) for each in said] == [
        ("unreachable", Bytes.UNKNOWN),
        ("already_known", Bytes.IN_POOL),
    ]
    assert said[0].words is not None


async def test_node_that_names_another_hash_is_named_itself() -> None:
    [said] = await said_by({"result": "0x" + "11" * 32})

    assert (said.says, said.bytes) == ("other_hash", Bytes.UNKNOWN)
    assert said.words is not None
    assert "0x11" in said.words


async def test_answer_that_is_no_hash_is_another_hash() -> None:
    assert [each.says for each in await said_by({"result": None}, {"result": 7})] == ["other_hash"] * 2


def test_silence_is_not_agreement() -> None:
    poor = Offer("a", "insufficient_funds", Bytes.UNFUNDED)

    assert not unanimous([], Bytes.UNFUNDED)
    assert unanimous([poor, poor], Bytes.UNFUNDED)
    assert not unanimous([poor, Offer("b", "accepted", Bytes.IN_POOL)], Bytes.UNFUNDED)
