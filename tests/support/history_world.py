"""One chain and one server under many histories: each begins with the same chain and a fresh database.

A history on a chain and a database of its own spends two thirds of its time on setting them up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

import aiohttp

from bascule.storage.database import Database
from tests.support.chain import calldata, deploy_dollar, local_node
from tests.support.money_in import FUNDS, Bridge, StandingClock, assembled, issue, publish
from tests.support.postgres import TestServer

T = TypeVar("T")
TEMPLATE = "template_history"
FINAL = 3  # blocks between the head and finality at first


class World:
    """Started once; `begin` gives a bridge, `end` takes it back. Runs everything in a loop of its own."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._always = AsyncExitStack()
        self._history = AsyncExitStack()
        self._numbers = count(1)
        self._database = ""
        self.run(self._start())

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """The step's result."""
        return self._loop.run_until_complete(step)

    def begin(self) -> Bridge:
        """A bridge that has seen nothing yet."""
        self._database = f"history_{next(self._numbers)}"
        self._server.create(self._database, TEMPLATE)
        return self.run(self._begin())

    def end(self) -> None:
        """What a history left is gone."""
        self.run(self._history.aclose())
        self._server.drop(self._database)

    def close(self) -> None:
        """Stops chain and loop."""
        self.run(self._always.aclose())
        self._server.drop(TEMPLATE)
        self._loop.close()

    async def _start(self) -> None:
        self._clock = StandingClock(datetime.now(UTC).replace(microsecond=0))
        options = {"safe": 1, "finalized": FINAL, "clock": lambda: self._clock.now().timestamp()}
        self._node = await self._always.enter_async_context(local_node(**options))
        self._session = await self._always.enter_async_context(aiohttp.ClientSession())
        self._token = await issue(self._node)
        self.other_token = await deploy_dollar(self._node, self._node.accounts[0])
        for number in (1, 2, 3):
            data = calldata("mint(address,uint256)", [self._node.accounts[number].address, FUNDS])
            await self._node.send(self._node.accounts[0], to=self.other_token, data=data)
        await self._node.dev.mine(FINAL + 1)
        self._clock.advance(60)
        self._server.create(TEMPLATE)
        async with Database(self._server.url_of(TEMPLATE), pool_size=1) as owner:
            self._network = await publish(owner, self._node, self._token, self._clock)
        self._node.dev.chain.snapshot()

    async def _begin(self) -> Bridge:
        chain = self._node.dev.chain
        assert await chain.revert(1)
        chain.snapshot()
        chain.set_finality(safe=1, finalized=FINAL)
        await chain.mine(FINAL)  # so that what a history may replace never includes the block of the snapshot
        await self._node.rpc("bascule_clearFaults")

        async def open_as(role: str) -> Database:
            url = self._server.url_of(self._database, role)
            return await self._history.enter_async_context(Database(url, name=role, pool_size=2))

        return await assembled(open_as, self._node, self._session, self._clock, self._network, self._token)
