"""A payment is taken out of the chain on purpose, on our local chain and on anvil, and nothing else is."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address
from bascule.entrypoints.demo import nodes
from bascule.entrypoints.dev.wallet import Mined, Wallet, receipt
from bascule.entrypoints.devchain.accounts import dev_accounts
from tests.support.anvil import anvil
from tests.support.chain import local_node

SINK = Address(b"\x22" * 20)


@pytest.fixture(params=["ours", pytest.param("anvil", marks=pytest.mark.slow)])
async def rpc(request: pytest.FixtureRequest) -> AsyncIterator[Rpc]:
    async with AsyncExitStack() as stack:
        if request.param == "ours":
            url = (await stack.enter_async_context(local_node(block_time=3600))).url
        else:
            url = stack.enter_context(anvil("--block-time", "3600"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Rpc(url, session=session, guard=lambda: None)


async def mined(rpc: Rpc, tx_hash: str) -> Mined:
    await rpc.call("evm_mine")
    return await receipt(rpc, tx_hash)


async def test_payment_is_taken_away_and_all_others_keep_their_receipts(rpc: Rpc) -> None:
    payer, other, third = (Wallet(rpc, 31337, account.private_key) for account in dev_accounts()[:3])
    await rpc.call("evm_mine")
    first = await other.send(SINK, value=1, gas=21_000)
    gone = await mined(rpc, await payer.send(SINK, value=1, gas=21_000))
    later = [await other.send(SINK, value=1, gas=21_000), await third.send(SINK, value=1, gas=21_000)]
    await mined(rpc, later[0])

    assert await nodes.can_reorganise(rpc)
    assert await nodes.take_away(rpc, gone) == 2

    assert await rpc.call("eth_getTransactionByHash", gone.hash) is None
    for tx_hash in (first, *later):
        assert (await receipt(rpc, tx_hash)).succeeded
    assert int(await rpc.call("eth_getBalance", "0x" + SINK.hex(), "latest"), 16) == 3
    assert await nodes.mines_by_itself(rpc), "mining goes on as before"


async def test_payment_that_is_nearly_final_is_left_alone(rpc: Rpc) -> None:
    payer = Wallet(rpc, 31337, dev_accounts()[0].private_key)
    paid = await mined(rpc, await payer.send(SINK, value=1, gas=21_000))
    for _ in range(9):
        await rpc.call("evm_mine")

    assert await nodes.take_away(rpc, paid) is None

    assert (await receipt(rpc, paid.hash)).block_hash == paid.block_hash


async def test_payment_that_a_new_block_buried_meanwhile_is_left_alone() -> None:
    """On our local chain: anvil mines nothing meanwhile."""

    class Buried(Rpc):
        async def call(self, method: str, *params: object) -> Any:
            """A block comes as soon as the depth was read."""
            answer = await super().call(method, *params)
            if method == "eth_getBlockByNumber":
                await super().call("evm_mine")
            return answer

    async with local_node(block_time=3600) as node, aiohttp.ClientSession() as session:
        rpc = Buried(node.url, session=session, guard=lambda: None)
        payer = Wallet(rpc, 31337, dev_accounts()[0].private_key)
        paid = await mined(rpc, await payer.send(SINK, value=1, gas=21_000))

        assert await nodes.take_away(rpc, paid) is None

        assert (await receipt(rpc, paid.hash)).block_hash == paid.block_hash
