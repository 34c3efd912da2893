"""A node's own words for a refusal are read as what they mean: anvil's and our local chain's, provoked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.chain.errors import NodeSays, read
from tests.support.anvil_node import anvil_node
from tests.support.chain import LocalNode, RpcFailure, calldata, deploy_dollar, local_node

GWEI = 10**9


@pytest.fixture(
    params=[
        pytest.param(local_node, id="local chain"),
        pytest.param(anvil_node, id="anvil", marks=pytest.mark.slow),
    ]
)
async def node(request: pytest.FixtureRequest) -> AsyncIterator[LocalNode]:
    async with request.param() as started:
        yield started


async def says(node: LocalNode, method: str, *params: Any) -> NodeSays:
    with pytest.raises(RpcFailure) as refused:
        await node.rpc(method, *params)
    return read(refused.value.message)


async def offered(node: LocalNode, nonce: int = 0, account: int = 0, **fields: Any) -> NodeSays:
    """What is said to a transfer of 1 wei that is bad in one way."""
    chosen = {"to": node.accounts[1].address, "value": 1, **fields}
    return await says(node, "eth_sendRawTransaction", node.sign(node.accounts[account], nonce, **chosen))


async def test_refused_transaction_is_understood_whatever_the_node(node: LocalNode) -> None:
    fees = {"maxFeePerGas": 20 * GWEI, "maxPriorityFeePerGas": GWEI}
    sent = node.sign(node.accounts[0], 0, to=node.accounts[1].address, value=1, **fees)
    await node.rpc("eth_sendRawTransaction", sent)
    assert await says(node, "eth_sendRawTransaction", sent) is NodeSays.ALREADY_KNOWN
    assert await offered(node, value=2, **fees) is NodeSays.REPLACEMENT_UNDERPRICED
    await node.dev.mine()
    assert await offered(node, value=3) is NodeSays.NONCE_TOO_LOW
    assert await offered(node, account=2, value=10**30) is NodeSays.INSUFFICIENT_FUNDS
    assert await offered(node, account=2, gas=20_999) is NodeSays.GAS_TOO_LOW
    assert await offered(node, account=2, gas=10**9) is NodeSays.GAS_TOO_LOW


async def test_refused_question_is_understood_whatever_the_node(node: LocalNode) -> None:
    owner = node.accounts[0]
    token = await deploy_dollar(node, owner)
    data = calldata("transfer(address,uint256)", [owner.address, 1])
    message = {"from": node.accounts[1].address, "to": token, "data": data}
    assert await says(node, "eth_call", message, "latest") is NodeSays.REVERTED
    assert await says(node, "eth_estimateGas", message) is NodeSays.REVERTED
    assert await says(node, "eth_getLogs", {"blockHash": "0x" + "11" * 32}) is NodeSays.UNKNOWN_BLOCK
    assert await says(node, "eth_noSuchThing") is NodeSays.METHOD_MISSING
