"""The JSON-RPC client against a real HTTP server that says what a test tells it to."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bascule.chain.errors import NodeSays, NodeUnreachable, RpcError, WrongShape
from bascule.chain.rpc import Rpc
from tests.support.nodes import no_guard, serve


class Node:
    """Answers with `reply(request)`: a JSON value, or raw bytes; `status` is the HTTP status."""

    def __init__(self) -> None:
        self.reply: Callable[[Any], Any] = lambda request: None
        self.status = 200

    async def handle(self, request: web.Request) -> web.Response:
        answer = self.reply(json.loads(await request.read()))
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=body, status=self.status)


def result(request: Any, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


@pytest.fixture
async def node() -> Node:
    return Node()


@pytest.fixture
async def rpc(node: Node) -> AsyncIterator[Rpc]:
    async with aiohttp.ClientSession() as session, serve(node.handle) as url:
        yield Rpc(url, session=session, guard=no_guard, timeout_s=2.0)


async def test_a_call_returns_the_result_of_its_own_request(node: Node, rpc: Rpc) -> None:
    node.reply = lambda request: result(request, [request["method"], request["params"]])

    assert await rpc.call("eth_chainId") == ["eth_chainId", []]
    assert await rpc.call("eth_getBalance", "0x00", "latest") == ["eth_getBalance", ["0x00", "latest"]]


async def test_a_null_result_is_an_answer_and_not_a_gap(node: Node, rpc: Rpc) -> None:
    node.reply = lambda request: result(request, None)

    assert await rpc.call("eth_getBlockByNumber", "0x99", False) is None


async def test_batch_answers_come_back_in_the_order_asked(node: Node, rpc: Rpc) -> None:
    node.reply = lambda requests: [result(r, r["params"][0]) for r in reversed(requests)]

    assert await rpc.batch([("eth_call", (n,)) for n in range(5)]) == [0, 1, 2, 3, 4]


async def test_an_empty_batch_asks_the_node_nothing(node: Node, rpc: Rpc) -> None:
    node.reply = lambda requests: pytest.fail("the node was asked")

    assert await rpc.batch([]) == []


async def test_a_refusal_carries_the_nodes_words_and_their_meaning(node: Node, rpc: Rpc) -> None:
    node.reply = lambda request: {
        "jsonrpc": "2.0",
        "id": request["id"],
        "error": {"code": -32000, "message": "nonce too low: next nonce 5, tx nonce 4"},
    }

    with pytest.raises(RpcError) as refused:
        await rpc.call("eth_sendRawTransaction", "0x02")

    assert refused.value.says is NodeSays.NONCE_TOO_LOW
    assert (refused.value.method, refused.value.code) == ("eth_sendRawTransaction", -32000)


async def test_one_refusal_in_a_batch_is_raised(node: Node, rpc: Rpc) -> None:
    def reply(requests: Any) -> Any:
        refusal = {
            "jsonrpc": "2.0",
            "id": requests[1]["id"],
            "error": {"code": 3, "message": "unknown block"},
        }
        return [result(requests[0], 1), refusal]

    node.reply = reply

    with pytest.raises(RpcError, match="unknown block"):
        await rpc.batch([("eth_getLogs", ({},)), ("eth_getLogs", ({},))])


@pytest.mark.parametrize(
    "reply",
    [
        lambda r: b"<html>busy</html>",
        lambda r: b"",
        lambda r: {"jsonrpc": "2.0", "id": r["id"]},
        lambda r: {"jsonrpc": "2.0", "id": r["id"] + 1, "result": "0x1"},
        lambda r: {"jsonrpc": "1.0", "id": r["id"], "result": "0x1"},
        lambda r: [result(r, "0x1")],
        lambda r: {"jsonrpc": "2.0", "id": r["id"], "error": "no"},
    ],
)
async def test_an_answer_of_the_wrong_shape_is_refused(
    node: Node, rpc: Rpc, reply: Callable[[Any], Any]
) -> None:
    node.reply = reply

    with pytest.raises(WrongShape):
        await rpc.call("eth_chainId")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_batch_with_missing_or_extra_answers_is_refused(node: Node, rpc: Rpc, count: int) -> None:
    node.reply = lambda requests: [
        {**result(requests[0], 1), "id": requests[0]["id"] + n} for n in range(count)
    ]

    with pytest.raises(WrongShape):
        await rpc.batch([("a", ()), ("b", ())])


async def test_a_result_of_another_type_than_promised_is_refused(node: Node, rpc: Rpc) -> None:
    node.reply = lambda request: result(request, 5)

    with pytest.raises(WrongShape, match="eth_chainId"):
        await rpc.call_as(str, "eth_chainId")


async def test_a_silent_node_and_a_proxys_page_are_unreachable(node: Node, rpc: Rpc) -> None:
    node.status = 502
    node.reply = lambda request: b"<html>bad gateway</html>"
    with pytest.raises(NodeUnreachable, match="502"):
        await rpc.call("eth_chainId")

    async with aiohttp.ClientSession() as session:
        nobody = Rpc("http://127.0.0.1:9/", session=session, guard=no_guard)
        with pytest.raises(NodeUnreachable):
            await nobody.call("eth_chainId")


async def test_a_node_that_limits_the_rate_is_asked_again_later(node: Node, rpc: Rpc) -> None:
    node.status = 429
    node.reply = lambda request: b"slow down"

    with pytest.raises(RpcError) as refused:
        await rpc.call("eth_chainId")

    assert refused.value.says is NodeSays.RATE_LIMITED


async def test_nothing_is_sent_while_a_transaction_is_open() -> None:
    def guard() -> None:
        raise RuntimeError("a transaction is open")

    async with aiohttp.ClientSession() as session:
        rpc = Rpc("http://127.0.0.1:9/", session=session, guard=guard)
        with pytest.raises(RuntimeError, match="transaction is open"):
            await rpc.call("eth_chainId")
