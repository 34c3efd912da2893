"""Stories of answers that are none: each is refused by name, counted by it, and asked of another node."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from bascule.chain.pool import pool
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Retryable
from tests.support.cases import case, long_after
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import serve

Bend = Callable[[bytes], bytes]
LIMIT = 4_000_000  # bytes of an answer that are read here; 128 MB in production


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


@dataclass
class Bending:
    """Passes requests on to the true node; answers to questions for logs are bent as bytes."""

    b: Bridge
    bend: Bend = field(default=lambda body: body)

    async def handle(self, request: web.Request) -> web.Response:
        asked = await request.read()
        async with self.b.session.post(self.b.node.url, data=asked) as response:
            body = await response.read()
        bent = self.bend(body) if b"eth_getLogs" in asked else body
        return web.Response(body=bent, content_type="application/json")


def each(change: Callable[[dict[str, Any]], object]) -> Bend:
    """Changes every answer of a batch, in place."""

    def bend(body: bytes) -> bytes:
        answers = json.loads(body)
        for answer in answers:
            change(answer)
        return json.dumps(answers).encode()

    return bend


def logs(change: Callable[[dict[str, Any]], object]) -> Bend:
    """Changes every log of every answer, in place."""
    return each(lambda answer: [change(log) for log in answer["result"]])


def one_error(body: bytes) -> bytes:
    """The last of the answers is a refusal."""
    *first, last = json.loads(body)
    refusal = {"jsonrpc": "2.0", "id": last["id"], "error": {"code": -32000, "message": "header not found"}}
    return json.dumps([*first, refusal]).encode()


BAD: dict[str, tuple[Bend, str]] = {
    "nothing": (lambda body: b"", "not_json_rpc"),
    "malformed": (lambda body: body.replace(b":", b";"), "not_json_rpc"),
    "truncated": (lambda body: body[: len(body) // 2], "not_json_rpc"),
    "HTML": (lambda body: b"<html><body>502 Bad Gateway</body></html>", "not_json_rpc"),
    "no UTF-8": (lambda body: body.replace(b'"address":"0x', b'"address":"\xff\xfe'), "wrong_type"),
    "nested 100,000 deep": (lambda body: b"[" * 100_000 + b"]" * 100_000, "not_json_rpc"),
    "a result nested 100,000 deep": (
        lambda body: b'[{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        "not_json_rpc",
    ),
    "gigantic": (lambda body: b" " * (LIMIT + 1) + body, "too_large"),
    "NaN": (lambda body: body.replace(b'"removed":false', b'"removed":NaN'), "not_json_rpc"),
    "a float for a number": (logs(lambda log: log.update(logIndex=0.5)), "wrong_type"),
    "a number for a string": (logs(lambda log: log.update(data=7)), "wrong_type"),
    "null for a string": (logs(lambda log: log.update(blockHash=None)), "wrong_type"),
    "an object for a list": (each(lambda answer: answer.update(result={})), "wrong_type"),
    "a missing member": (logs(lambda log: log.pop("topics")), "wrong_type"),
    "no result": (each(lambda answer: answer.pop("result")), "no_result"),
    "two results": (lambda body: body.replace(b'"result"', b'"result": [], "result": 1, "x"'), "wrong_type"),
    "another id": (each(lambda answer: answer.update(id=10**9)), "wrong_id"),
    "no id": (each(lambda answer: answer.pop("id")), "wrong_id"),
    "another protocol": (each(lambda answer: answer.update(jsonrpc="1.0")), "wrong_id"),
    "an answer missing": (lambda body: json.dumps(json.loads(body)[1:]).encode(), "wrong_id"),
    "every answer twice": (lambda body: json.dumps(json.loads(body) * 2).encode(), "wrong_id"),
    "answers back to front": (lambda body: json.dumps(json.loads(body)[::-1]).encode(), ""),
    "logs back to front": (each(lambda answer: answer["result"].reverse()), ""),
    "every log twice": (each(lambda a: a.update(result=a["result"] * 2)), "contradicts_header"),
    "no logs": (each(lambda answer: answer.update(result=[])), "contradicts_header"),
    "odd hex": (logs(lambda log: log.update(data="0x123")), "wrong_shape"),
    "a sign in a number": (logs(lambda log: log.update(logIndex="-0x1")), "wrong_shape"),
    "a removed log": (logs(lambda log: log.update(removed=True)), "wrong_shape"),
    "one refusal in a batch": (one_error, "unknown_block"),
}  # fmt: skip


async def two_blocks(b: Bridge) -> dict[str, Any]:
    intent = await b.intent("10.00")
    for amount in ("4.00", "6.00"):
        await b.send(deposit_address(intent), amount, payer=1)
        await b.mine()
    return intent


@pytest.mark.parametrize("reason", long_after(2, sorted({reason for _, reason in BAD.values()})))
async def test_an_answer_that_is_none_is_refused_by_name_and_asked_of_another(b: Bridge, reason: str) -> None:
    """Each kind in turn, or kinds that are only odd; first the node is alone, then a second one is true."""
    node = Bending(b)
    async with serve(node.handle) as url:
        bent = b.rpc(url, max_bytes=LIMIT)
        for name, (bend, wanted) in BAD.items():
            if wanted == reason:
                with case(name):
                    await told_badly(b, node, bent, bend, reason)


async def told_badly(b: Bridge, node: Bending, bent: Rpc, bend: Bend, reason: str) -> None:
    node.bend = lambda body: body
    alone = pool([(bent, 1)], chain_id=b.network.chain_id)
    watcher = b.watcher(alone)
    await b.settle_down(watcher)
    intent = await two_blocks(b)
    before = await written(b)
    node.bend = bend
    if reason:
        for _ in range(2):
            with pytest.raises(Retryable):
                await watcher.run_once()
        assert await written(b) == before, "the cursor passes nothing unverified"
    await watcher.release()

    both = pool([(bent, 1), (b.rpc(), 2)], chain_id=b.network.chain_id)
    second = b.watcher(both)
    await b.finalize(second)
    await second.release()
    assert alone.nodes[0].reasons == ({reason: 2} if reason else {})
    assert set(both.nodes[0].reasons) == ({reason} if reason else set())
    assert (await b.shown(intent))["status"] == "succeeded"


async def written(b: Bridge) -> list[tuple[Any, ...]]:
    """How far the chain was read, and what was found."""
    return await b.rows(
        "SELECT next_number, last_hash, (SELECT count(*) FROM transfers), (SELECT count(*) FROM blocks)"
        " FROM cursors"
    )
