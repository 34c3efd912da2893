"""Every fault is shown at a proxy before the local chain and before anvil, some at the chain by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.support.anvil import anvil
from tests.support.chain import LocalNode, RpcFailure, calldata, creation_code, local_node
from tests.support.fault_proxy import fault_proxy

MINTS = 3
TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()


class Door:
    """A node that can be made to lie, and the truth behind it.

    The block at `height` holds three mints, so three logs and three receipts; three empty blocks follow.
    """

    def __init__(self, url: str, truth: str, session: aiohttp.ClientSession, signer: LocalNode) -> None:
        self.url, self.truth, self.session, self.signer = url, truth, session, signer
        self.height = 0
        self.token = ""

    async def post(self, body: Any, **options: Any) -> Any:
        async with self.session.post(self.url, json=body, **options) as response:
            return await response.json()

    async def set(self, kind: str, **members: Any) -> int:
        number: int = (await self.ask("bascule_setFault", {"kind": kind, **members}))["id"]
        return number

    async def clear(self, *ids: int) -> Any:
        return await self.ask("bascule_clearFaults", *([list(ids)] if ids else []))

    async def hits(self) -> list[int]:
        return [fault["hits"] for fault in await self.ask("bascule_faults")]

    async def ask(self, method: str, *params: Any, url: str | None = None) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        async with self.session.post(url or self.url, json=call) as response:
            answer = await response.json()
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    async def true(self, method: str, *params: Any) -> Any:
        """What the node itself says."""
        return await self.ask(method, *params, url=self.truth)

    async def logs(self, **criteria: str) -> list[dict[str, Any]]:
        """The mints' transfers, in their block unless the criteria say otherwise."""
        where = criteria or {"fromBlock": hex(self.height), "toBlock": hex(self.height)}
        found: list[dict[str, Any]] = await self.ask("eth_getLogs", where | {"topics": [TRANSFER]})
        return found

    async def mine(self, count: int = 1) -> None:
        for _ in range(count):
            await self.true("evm_mine")

    async def raw(self, **fields: Any) -> str:
        """A signed transaction of the first account with its next nonce."""
        sender = self.signer.accounts[0]
        nonce = int(await self.true("eth_getTransactionCount", sender.address, "pending"), 16)
        return self.signer.sign(sender, nonce, **fields)

    async def build(self) -> None:
        """Deploys a token and mints three times in one block."""
        owner = self.signer.accounts[0].address
        code = creation_code("TestDollar", ["string", "string", "address"], ["Test Dollar", "USDT", owner])
        deployed = await self.true("eth_sendRawTransaction", await self.raw(data=code))
        await self.mine()
        receipt = await self.true("eth_getTransactionReceipt", deployed)
        self.token = to_checksum_address(receipt["contractAddress"])
        for number in range(MINTS):
            data = calldata("mint(address,uint256)", [self.signer.accounts[number + 1].address, 1_000])
            await self.true("eth_sendRawTransaction", await self.raw(to=self.token, data=data))
        await self.mine()
        self.height = int(await self.true("eth_blockNumber"), 16)
        await self.mine(3)


@dataclass
class Anvil:
    """Started once, when the first test asks for it."""

    url: str


@pytest.fixture(scope="session")
def anvil_node() -> Iterator[Anvil]:
    with anvil("--no-mining") as url:
        yield Anvil(url)


CHAIN, ANVIL = "proxy before the chain", "proxy before anvil"


@asynccontextmanager
async def opened(where: str, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(local_node())
        truth = request.getfixturevalue("anvil_node").url if where == ANVIL else local.url
        url = truth
        if where != "chain itself":
            url = (await stack.enter_async_context(fault_proxy(truth))).url
        door = Door(url, truth, local.session, local)
        await door.build()
        yield door


@pytest.fixture(params=[CHAIN, ANVIL])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """A proxy before a true node."""
    async with opened(request.param, request) as made:
        yield made


@pytest.fixture(params=["chain itself", CHAIN, ANVIL])
async def any_door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """The same, and the local chain that lies by itself."""
    async with opened(request.param, request) as made:
        yield made
