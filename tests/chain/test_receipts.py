"""Receipts are read whole; a query that failed is never a missing receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bascule.chain import receipts
from bascule.chain.errors import RpcError, WrongShape
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Hash
from tests.support.chain import LocalNode, local_node
from tests.support.nodes import no_guard, serve


@pytest.fixture
async def node() -> AsyncIterator[LocalNode]:
    async with local_node() as started:
        yield started


def rpc_of(url: str, session: aiohttp.ClientSession) -> Rpc:
    return Rpc(url, session=session, guard=no_guard)


async def test_receipt_tells_block_result_and_fee(node: LocalNode) -> None:
    sender = node.accounts[0]
    tx_hash = await node.send(sender, to=node.accounts[1].address, value=5)
    known = Hash(bytes.fromhex(tx_hash[2:]))
    assert await receipts.of(rpc_of(node.url, node.session), [known]) == [None]
    before = int(await node.rpc("eth_getBalance", sender.address, "latest"), 16)
    block = await node.dev.mine()

    [receipt, missing] = await receipts.of(rpc_of(node.url, node.session), [known, Hash(b"\x01" * 32)])

    assert missing is None
    assert receipt is not None
    assert (receipt.tx_hash, receipt.block_hash, receipt.succeeded) == (known, block.hash, True)
    after = int(await node.rpc("eth_getBalance", sender.address, "latest"), 16)
    assert before - after - 5 == receipt.fee_paid


async def answer_with(entry: dict[str, Any]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response([{"jsonrpc": "2.0", "id": item["id"], **entry} for item in asked])

    return handle


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"error": {"code": -32000, "message": "overloaded"}}, RpcError),
        ({"result": {}}, WrongShape),
        ({"result": []}, WrongShape),
        ({}, WrongShape),
    ],
)
async def test_failed_query_is_never_a_missing_receipt(entry: dict[str, Any], error: type[Exception]) -> None:
    async with serve(await answer_with(entry)) as url, aiohttp.ClientSession() as session:
        with pytest.raises(error):
            await receipts.of(rpc_of(url, session), [Hash(bytes(32))])


async def test_receipt_of_another_transaction_is_refused(node: LocalNode) -> None:
    tx_hash = await node.send(node.accounts[0], to=node.accounts[1].address)
    await node.dev.mine()
    true = await node.rpc("eth_getTransactionReceipt", tx_hash)

    async with serve(await answer_with({"result": true})) as url, aiohttp.ClientSession() as session:
        with pytest.raises(WrongShape, match="not of 0x00"):
            await receipts.of(rpc_of(url, session), [Hash(bytes(32))])
