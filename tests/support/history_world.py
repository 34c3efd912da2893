"""One chain and one database under many histories: each begins with the same blocks and the same rows.

A history on a chain and a database of its own spends two thirds of its time on setting them up, and on plans
that its connections make for the first time.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import uvloop

from bascule.domain.early import EarlyPolicy
from bascule.storage import early_policies
from bascule.storage.database import Database
from tests.support.chain import calldata, deploy_dollar, local_node
from tests.support.fault_proxy import fault_proxy
from tests.support.money_in import FUNDS, Bridge, StandingClock, assembled, issue, publish
from tests.support.postgres import TestServer
from tests.support.rows import keep_rows, restore_rows

T = TypeVar("T")
DATABASE = "histories"
FINAL = 3  # blocks between the head and finality at first
NODES = 3
HIGHER = 150  # blocks of another chain: more than any history has
EARLY = EarlyPolicy(most=100 * 10**18)  # of intents that ask for it


class World:
    """Started once; `begin` gives a bridge, as the first one was. Runs everything in a loop of its own.

    histories: how many began so far; proxies: before the chain, each a node of its own to who asks it;
    other: URL of a chain with other blocks at every height.
    """

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._loop = uvloop.new_event_loop()  # as processes and every other test turn; the quicker one
        self._open = AsyncExitStack()
        self._databases: dict[str, Database] = {}
        self.histories = 0
        self.run(self._start())

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """The step's result."""
        return self._loop.run_until_complete(step)

    def begin(self) -> Bridge:
        """A bridge that has seen nothing yet."""
        return self.run(self._begin())

    def close(self) -> None:
        """Stops chain and loop."""
        self.run(self._open.aclose())
        self._server.drop(DATABASE)
        self._loop.close()

    async def _start(self) -> None:
        self._clock = StandingClock(datetime.now(UTC).replace(microsecond=0))
        options = {"safe": 1, "finalized": FINAL, "clock": lambda: self._clock.now().timestamp()}
        self._node = await self._open.enter_async_context(local_node(**options))
        self._session = await self._open.enter_async_context(aiohttp.ClientSession())
        self._token = await issue(self._node)
        self.other_token = await deploy_dollar(self._node, self._node.accounts[0])
        for number in (1, 2, 3):
            data = calldata("mint(address,uint256)", [self._node.accounts[number].address, FUNDS])
            await self._node.send(self._node.accounts[0], to=self.other_token, data=data)
        await self._node.dev.mine(FINAL + 1)
        self._clock.advance(60)
        other = await self._open.enter_async_context(local_node(**options))
        await other.dev.mine(HIGHER)
        self.other = other.url
        self._server.create(DATABASE)
        self._network = await publish(await self._as("owner"), self._node, self._token, self._clock)
        async with (await self._as("owner")).transaction() as conn:
            await early_policies.set(conn, "acct_merchant", EARLY)
        self.proxies = [
            await self._open.enter_async_context(fault_proxy(self._node.url)) for _ in range(NODES)
        ]
        await keep_rows(await self._as("owner"))
        self._node.dev.chain.snapshot()

    async def _begin(self) -> Bridge:
        chain = self._node.dev.chain
        assert await chain.revert(1)
        chain.snapshot()
        chain.set_finality(safe=1, finalized=FINAL)
        await chain.mine(FINAL)  # so that what a history may replace never includes the block of the snapshot
        for proxy in self.proxies:
            proxy.clear()
        await restore_rows(await self._as("owner"))
        self.histories += 1
        return await assembled(self._as, self._node, self._session, self._clock, self._network, self._token)

    async def _as(self, role: str) -> Database:
        """The database under a process's login, connected for all histories."""
        if role not in self._databases:
            opened = Database(self._server.url_of(DATABASE, role), name=role, pool_size=2)
            self._databases[role] = await self._open.enter_async_context(opened)
        return self._databases[role]
