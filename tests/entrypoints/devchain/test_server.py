"""Whatever arrives over HTTP is answered as JSON-RPC says, and never with a status 500."""

import asyncio
import io
import logging
from typing import Any

import aiohttp
import pytest

from bascule.entrypoints.devchain import dispatch
from bascule.entrypoints.devchain.dispatch import MAX_BATCH, MAX_BODY
from bascule.entrypoints.devchain.methods import Methods
from bascule.entrypoints.devchain.mining import Miner
from tests.support.chain import LocalNode, RpcFailure

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


async def code_of(node: LocalNode, body: bytes) -> int:
    async with node.session.post(node.url, data=body) as response:
        assert response.status == 200
        answer = await response.json()
    assert answer["jsonrpc"] == "2.0"
    code: int = answer["error"]["code"]
    return code


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"a":' * 5_000, b"[" * 100_000, b'"\\ud800', b"{}}", b"\x00"],
    ids=lambda body: repr(body[:6]),
)
async def test_body_that_is_no_json_is_a_parse_error(node: LocalNode, body: bytes) -> None:
    assert await code_of(node, body[:200_000]) == -32700


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"1", b'"eth_chainId"', b"null", b"[]", b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', b'{"id":1,"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":1,"method":7}', b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":[1],"method":"eth_chainId"}',
    ],
)  # fmt: skip
async def test_json_that_is_no_request_is_an_invalid_request(node: LocalNode, body: bytes) -> None:
    assert await code_of(node, body) == -32600


@pytest.mark.parametrize("name", ["eth_nothing", "", "eth_sendTransaction", "\x00", "é" * 1000, "__class__"])
async def test_unknown_method_is_named_as_such(node: LocalNode, name: str) -> None:
    answer = await node.post(CALL | {"method": name})

    assert answer["error"]["code"] == -32601
    assert name in answer["error"]["message"]


@pytest.mark.parametrize("params", [{"a": 1}, "latest", 5, [1], ["0x1", False]])
async def test_wrong_parameter_shapes_and_counts_are_invalid_params(node: LocalNode, params: Any) -> None:
    assert (await node.post(CALL | {"params": params}))["error"]["code"] == -32602


ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e300, 2**300, "", "0x", "0xzz", "0x1", "latest", "0x" + "00" * 20, "\x00",
    "0x" + "11" * 32, [], {}, [[]], [None], {"to": 5}, {"from": "0x12"}, {"data": "0x1"}, {"value": "-0x1"},
    {"gas": "0x1"}, {"accessList": [{}]}, {"accessList": 7}, {"blockHash": "0x1"}, {"fromBlock": -1},
    {"depth": 2**70}, {"accessList": [{"address": "0x" + "00" * 20, "storageKeys": 5}]}, {"topics": [1.5]},
    {"authorizationList": [{"chainId": "0x1"}]}, {"authorizationList": {}},
    {"to": "0x" + "00" * 20, "gas": "0x" + "f" * 64}, {"to": "0x" + "00" * 20, "value": "0x" + "f" * 64},
    {"blocks": 2**200}, {"timestamp": 2**255}, {"safe": 9}, {"safe": None},
]  # fmt: skip


def method_names(node: LocalNode) -> list[str]:
    return sorted(Methods(node.dev.chain, Miner(node.dev.chain))._methods)


async def test_no_method_fails_inside_whatever_its_parameters(
    node: LocalNode, caplog: pytest.LogCaptureFixture
) -> None:
    """Every method with every odd value in every position it has, one by one and together."""
    names = [name for name in method_names(node) if not name.endswith("subscribe")]
    requests = [
        CALL | {"method": name, "params": params}
        for name in names
        for odd in ODD
        for params in (
            [odd],
            [odd, odd],
            ["0x" + "00" * 20, odd],
            ["0x1", odd, odd],
            [odd, "latest"],
            [odd] * 9,
        )
    ]

    with caplog.at_level(logging.ERROR):
        answers = []
        for first in range(0, len(requests), MAX_BATCH):
            answers += await node.post(requests[first : first + MAX_BATCH])

    assert len(answers) == len(requests) > 5_000
    failures = [
        (request["method"], request["params"], answer["error"])
        for request, answer in zip(requests, answers, strict=True)
        if "error" in answer and answer["error"]["code"] not in {-32602, -32000}
    ]
    assert failures == []
    assert caplog.records == []


async def test_batch_is_answered_in_order_without_its_notifications(node: LocalNode) -> None:
    notification = {"jsonrpc": "2.0", "method": "evm_mine"}
    batch = [CALL, notification, CALL | {"id": "b", "method": "eth_blockNumber"}, 7]

    answers = await node.post(batch)

    assert [(a.get("id"), a.get("result"), a.get("error", {}).get("code")) for a in answers] == [
        (1, "0x7a69", None),
        ("b", "0x1", None),
        (None, None, -32600),
    ]


async def test_notifications_alone_are_answered_with_nothing(node: LocalNode) -> None:
    for body in ({"jsonrpc": "2.0", "method": "evm_mine"}, [{"jsonrpc": "2.0", "method": "evm_mine"}]):
        async with node.session.post(node.url, json=body) as response:
            assert (response.status, await response.read()) == (200, b"")
    assert await node.rpc("eth_blockNumber") == "0x2"


async def test_batch_over_the_limit_is_refused_whole(node: LocalNode) -> None:
    assert len(await node.post([CALL] * MAX_BATCH)) == MAX_BATCH

    answer = await node.post([CALL | {"method": "evm_mine"}] * (MAX_BATCH + 1))

    assert answer["error"]["code"] == -32600
    assert await node.rpc("eth_blockNumber") == "0x0"


async def test_batch_whose_answers_grow_too_large_is_cut_and_the_rest_not_carried_out(
    node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MAX_BATCH_ANSWERS", 5_000)
    block = CALL | {"method": "eth_getBlockByNumber", "params": ["0x0", False]}
    notification = {"jsonrpc": "2.0", "method": "evm_mine"}

    answers = await node.post([block, block, block, CALL | {"id": "b", "method": "evm_mine"}, notification])

    assert [answer["id"] for answer in answers] == [1, 1, 1, "b"]
    assert ["result" in answer for answer in answers] == [True, True, True, False]
    assert answers[3]["error"] == {"code": -32003, "message": "response too large"}
    assert await node.rpc("eth_blockNumber") == "0x0"


async def test_time_beyond_what_a_header_holds_is_refused(node: LocalNode) -> None:
    for method, value in (("evm_increaseTime", hex(2**64)), ("evm_mine", hex(2**64))):
        with pytest.raises(RpcFailure, match="at most") as caught:
            await node.rpc(method, value)
        assert caught.value.code == -32602


async def test_body_over_the_limit_is_refused(node: LocalNode) -> None:
    async with node.session.post(node.url, data=io.BytesIO(b" " * (MAX_BODY + 1))) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == -32600


async def test_browser_of_any_origin_may_call(node: LocalNode) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, x-wallet",
    }
    async with node.session.options(node.url, headers=asked) as preflight:
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
        assert preflight.headers["Access-Control-Allow-Headers"] == "content-type, x-wallet"
    async with node.session.post(node.url, json=CALL, headers={"Origin": "https://app.example"}) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_http_methods_are_told_to_post(node: LocalNode, method: str) -> None:
    async with node.session.request(method, node.url) as response:
        assert response.status == 405
        assert (await response.json())["error"]["code"] == -32600


async def test_answers_keep_coming_while_a_big_block_is_mined(node: LocalNode) -> None:
    for sender in node.accounts:
        for nonce in range(30):
            raw = node.sign(sender, nonce, to=sender.address)
            await node.rpc("eth_sendRawTransaction", raw)
    mining = asyncio.create_task(node.dev.mine())
    await asyncio.sleep(0)

    answered = 0
    while not mining.done():
        assert await node.rpc("eth_blockNumber") in {"0x0", "0x1"}
        answered += 1

    assert len((await mining).transactions) == 300
    assert answered >= 3


async def test_client_that_goes_away_harms_nobody(node: LocalNode) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            await session.post(
                node.url,
                json=CALL | {"method": "evm_mine", "params": [{"blocks": 300}]},
                timeout=aiohttp.ClientTimeout(total=0.02),
            )
    assert await node.rpc("eth_chainId") == "0x7a69"
