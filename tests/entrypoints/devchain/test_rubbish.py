"""Structured rubbish: whatever a method is given, the answer is JSON-RPC, and nothing fails inside."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bascule.entrypoints.devchain.chain import LocalChain, wall_clock
from bascule.entrypoints.devchain.dispatch import answer_to
from bascule.entrypoints.devchain.methods import Methods
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.pool import Limits

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PLAUSIBLE: list[Any] = [
    *("0x0", "0x1", "0x2", "0x", "0x01", "0xzz", "latest", "pending", "earliest", "", "0x" + "f" * 64),
    *(ADDRESS, ADDRESS.lower(), "0x" + "00" * 20, "0x" + "00" * 31 + "05", "0x" + "22" * 32, "0x6001600155"),
    *(0, 1, 2, -1, 2**63, 2**256, 0.5, True, False, None, "newHeads", "logs", "\x00", "é" * 40),
]
MEMBERS = [
    *("from", "to", "data", "input", "value", "gas", "gasPrice", "maxFeePerGas", "accessList", "nonce"),
    *("fromBlock", "toBlock", "blockHash", "address", "topics", "depth", "drop", "safe", "finalized"),
    *("storageKeys", "authorizationList", "baseFee", "timestamp", "balance", "code", "state", "stateDiff"),
    *("blockNumber", "requireCanonical", "chainId", "yParity", "r", "s", ADDRESS, "", "unheard"),
]
values = st.recursive(
    st.sampled_from(PLAUSIBLE)
    | st.text(max_size=8)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)
ids = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.just([]) | st.just({})
)


class Node:
    """A chain without a network, mined by nobody."""

    def __init__(self) -> None:
        self.chain = LocalChain(
            data_dir=None, chain_id=31337, safe=2, finalized=4, clock=wall_clock, limits=Limits()
        )
        self.methods = Methods(self.chain, Miner(self.chain))
        self.names = sorted(self.methods._methods)


@pytest.fixture(scope="module")
def runner() -> Any:
    with asyncio.Runner() as started:
        yield started


@pytest.fixture(scope="module")
def node(runner: asyncio.Runner) -> Any:
    async def start() -> Node:
        return Node()

    started = runner.run(start())
    yield started
    runner.run(started.chain.close())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_method_answers_rubbish_with_an_error_of_the_right_kind(
    runner: asyncio.Runner, node: Node, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    names = st.sampled_from(node.names) | st.text(max_size=10)
    request = data.draw(
        st.fixed_dictionaries(
            {"jsonrpc": st.just("2.0"), "id": ids, "method": names, "params": st.lists(values, max_size=4)}
        )
    )

    with caplog.at_level(logging.ERROR):
        body = runner.run(answer_to(json.dumps(request), node.methods.call))

    assert body is not None
    answer = json.loads(body)
    assert caplog.records == [], caplog.text
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] in {-32600, -32601, -32602, -32000, 3}
        assert isinstance(answer["error"]["message"], str)
    if isinstance(request["id"], bool | list | dict):
        assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    else:
        assert answer["id"] == request["id"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000 + b"1" + b"}" * 200_000)
@example(b"[1e999]")
@example(b'"\\ud800"')
def test_every_body_is_answered(runner: asyncio.Runner, node: Node, body: bytes) -> None:
    answer = runner.run(answer_to(body, node.methods.call))

    if answer is not None:
        decoded = json.loads(answer)
        for one in decoded if isinstance(decoded, list) else [decoded]:
            assert one["error"]["code"] in {-32700, -32600}
