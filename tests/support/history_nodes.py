"""What stands between a watcher of a history and its chain: its one node, or three, one of which lies.

No two lie at a time, and an hour passes before another one does: two liars of three may halt a chain.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain.caller import Caller
from bascule.chain.node import Node
from bascule.chain.pool import Pool
from tests.support.fault_proxy import FaultProxy
from tests.support.lies import Fault
from tests.support.money_in import Bridge

QUORUM = 2
AN_HOUR = 3_700  # and more than any quarantine


class Nodes:
    """The nodes of one history, which tell the truth at first.

    alone: only the first is asked, without a pool; other: URL of a chain that shares no block with theirs.
    """

    def __init__(self, b: Bridge, proxies: Sequence[FaultProxy], other: str, *, alone: bool) -> None:
        self.alone = alone
        self._b, self._proxies, self._other = b, proxies[:1] if alone else proxies, other
        self._liar: int | None = None
        self.lied = False  # since they all told the truth
        self._now = 0.0
        self._pools: list[Pool] = []

    def caller(self) -> Caller:
        """For a new process, which knows nothing yet of what its nodes did."""
        if self.alone:
            return self._b.rpc(self._proxies[0].url)
        nodes = [Node(self._b.rpc(proxy.url), f"node {at}") for at, proxy in enumerate(self._proxies)]
        made = Pool(
            nodes,
            chain_id=self._b.network.chain_id,
            quorum=QUORUM,
            patience_s=60.0,  # each is heard, however slow this machine is
            clock=lambda: self._now,
        )
        self._pools.append(made)
        return made

    async def lie(self, fault: Fault, who: int) -> None:
        """One node bends its answers to the watcher; the others tell the truth."""
        who %= len(self._proxies)
        if self._liar not in (None, who):
            await self.recover()
        self._liar, self.lied = who, True
        self._proxies[who].faults.set(dict(fault))

    def fork(self, height: int) -> None:
        """All of them show other blocks from there on."""
        for proxy in self._proxies:
            proxy.set("other_fork", upstream=self._other, from_block=height)

    def tell_the_truth(self) -> None:
        """All nodes do; what they are taken for stays."""
        self.lied = False
        for proxy in self._proxies:
            proxy.clear()

    async def recover(self) -> None:
        """All tell the truth for so long that no process has anything against one of them."""
        self.tell_the_truth()
        await self.wait(AN_HOUR)

    async def wait(self, seconds: float) -> None:
        """Time passes, and every process looks at its nodes."""
        self._now += seconds
        for pool in self._pools:
            await pool.probe()
