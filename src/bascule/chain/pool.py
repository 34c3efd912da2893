"""Several nodes of one chain that stand where one node stood: the same calls, answered by the best of them.

Each call moves the state of the node it went to; `probe` brings nodes back. What was returned once is not
taken back: heights never go down, except when the node that told them is proven a liar, or stands alone
against a quorum far below. An answer proven wrong is kept beside the right one.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bascule.chain import heads
from bascule.chain.asking import Asking
from bascule.chain.caller import Ask, Call, Caller, Said
from bascule.chain.errors import NodesBehind, NodesContradict, NodeUnreachable, NoQuorum, RpcError
from bascule.chain.evidence import Evidence, Exchange, Tellers
from bascule.chain.families import Family
from bascule.chain.node import Node, NodeState, names
from bascule.chain.rpc import Rpc
from bascule.chain.votes import Answer, Count, attested, believed, contradict, count, shown
from bascule.chain.worth import Worth
from bascule.domain.errors import BasculeError

T = TypeVar("T")

# Between two looks at every node of a pool.
PROBE_S = 15.0
# What a quorum is reached without is waited for so long, and heard when it comes.
PATIENCE_S = 0.1
# Bytes are offered to one node at a time: what a second one says of them would hide what the first did.
_ONE_NODE = frozenset({"eth_sendRawTransaction"})


class Pool:
    """A `Caller` over several nodes of one chain.

    quorum: how many must agree before it is final, at most the number of nodes; lag_blocks: so far behind
    the others a node is `lagging`; quarantine_s: how long a liar is left alone; patience_s: how long a quorum
    waits for the others' answers; clock: seconds, only rising.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        chain_id: int,
        quorum: int = 1,
        lag_blocks: int = 3,
        quarantine_s: float = 3_600.0,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert 1 <= quorum <= len(nodes), "a quorum is at least one node and at most all"
        self._asking = Asking(list(nodes), chain_id, quarantine_s, patience_s, clock)
        self._quorum = quorum
        self._lag_blocks = lag_blocks

    @property
    def nodes(self) -> Sequence[Node]:
        """In the order in which they were configured."""
        return self._asking.nodes

    @property
    def evidence(self) -> Evidence:
        """As `Caller.evidence`."""
        return self._asking.evidence

    @property
    def family(self) -> Family | None:
        """As of its nodes, which serve one chain."""
        return self.nodes[0].rpc.family

    @property
    def worth(self) -> Worth:
        """What all of them know of their chain's headers."""
        return self.nodes[0].rpc.worth

    @property
    def quorum(self) -> int:
        """How many nodes must say the same."""
        return self._quorum

    @property
    def names(self) -> list[str]:
        """As `Caller.names`."""
        return [node.name for node in self.nodes]

    @property
    def exchange(self) -> Exchange | None:
        """As `Caller.exchange`."""
        return None

    async def call(self, method: str, *params: object) -> Any:
        """As `Caller.call`."""
        return await self.call_as(Any, method, *params)

    async def call_as(self, shape: type[T], method: str, *params: object) -> T:
        """As `Caller.call_as`; a transaction is offered to one node alone."""

        async def ask(node: Caller) -> T:
            return await node.call_as(shape, method, *params)

        if method not in _ONE_NODE:
            return await self.checked(ask)
        answer = await self._asking.one(self._asking.ranked()[0], ask)
        if answer.error is not None:
            raise answer.error
        value: T = answer.value
        return value

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """As `Caller.batch`."""
        return await self.batch_as(Any, calls)

    async def batch_as(self, shape: type[T], calls: Sequence[Call]) -> list[T]:
        """As `Caller.batch_as`."""
        return await self.checked(lambda node: node.batch_as(shape, calls))

    async def batch_each(self, shape: type[T], calls: Sequence[Call]) -> list[T | RpcError]:
        """As `Caller.batch_each`."""
        return await self.checked(lambda node: node.batch_each(shape, calls))

    async def checked(self, ask: Ask[T], enough: Callable[[T], bool] | None = None) -> T:
        """As `Caller.checked`: the next node is asked when one fails, or its answer proves it wrong."""
        value: T = (await self._asking.first(ask, enough)).value
        return value

    async def rising(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> T:
        """As `Caller.rising`. Raises: NodesBehind when no node can be reached that knows as much.

        Where a quorum can be, and all of it is far below, what was known before was one node's false word.
        """
        told: list[int] = []

        def enough(value: T) -> bool:
            told.append(height(value))
            return told[-1] >= believed(self.nodes, name)  # as of now: other looks end meanwhile

        answer = await self._asking.first(ask, enough)
        reached, floor = height(answer.value), believed(self.nodes, name)
        if reached < floor:
            if len(told) < self._quorum or max(told) >= floor - self._lag_blocks:
                raise NodesBehind(f"every node is below {name} {floor}, which was known before")
            for node in self.nodes:
                node.heights.pop(name, None)
        answer.node.heights[name] = reached
        value: T = answer.value
        return value

    async def attested(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> int:
        """As `Caller.attested`; of each node that is no liar and not away counts what it said last."""

        def hear(answer: Answer) -> None:
            if not answer.node.locked:  # it may have been proven a liar since it was asked
                answer.node.reached[name] = height(answer.value)

        answers = await self._asking.several(ask, hear, lambda heard: len(heard) >= self._quorum)
        if len(answers) < self._quorum:
            raise NoQuorum(f"{len(answers)} nodes say what is {name}; {self._quorum} are needed")
        return attested(self.nodes, name, self._quorum)

    async def agreed(self, ask: Ask[T], said: Said[T], *, settled: bool, partly: bool = False) -> T:
        """As `Caller.agreed`. Whoever contradicts the quorum is kept; about what is settled it lies.

        Where none has a quorum about what is settled, all that differ are `disputed` until one does.
        """
        if self._quorum == 1:
            return await self.checked(ask)
        votes: Count | None = None

        def hear(answer: Answer) -> None:
            answer.says = tuple(said(answer.value))
            if votes is not None and votes.won is not None and contradict(answer.says, votes.won.says):
                self._apart(answer, votes.won, decided=True, settled=settled)  # it came late

        def decided(answers: Sequence[Answer]) -> bool:
            won = count(answers, self._quorum, partly=partly).won
            return won is not None and None not in won.says

        votes = count(await self._asking.several(ask, hear, decided), self._quorum, partly=partly)
        for answer in votes.apart:
            assert votes.foremost is not None, "they are apart from it"
            self._apart(answer, votes.foremost, decided=votes.won is not None, settled=settled)
        if votes.won is None:
            for answer in [*votes.behind, *votes.apart] if votes.apart and settled else []:
                answer.node.doubted()
            alike = ", ".join(map(str, votes.alike)) or "none"
            error = NodesContradict if votes.apart else NoQuorum
            raise error(f"{self._quorum} nodes must say the same; alike are {alike}")
        for answer in votes.behind:
            answer.node.cleared()
        value: T = self._asking.taken(votes.won).value
        return value

    def _apart(self, answer: Answer, against: Answer, *, decided: bool, settled: bool) -> None:
        """Two nodes say different things of one place. decided: the second one's is what a quorum says."""
        why = f"nodes disagree: {shown(answer.says)} against {shown(against.says)}"
        self._asking.keep(answer, against, why, lies=decided and settled)
        if decided and not settled:
            answer.node.strayed()

    async def everyone(self, ask: Ask[T]) -> list[tuple[str, T | BasculeError]]:
        """As `Caller.everyone`: liars, nodes of other chains and those that limit the rate are left out."""
        try:
            answers = await self._asking.everyone(ask)
        except (NodeUnreachable, RpcError):
            return []
        return [(each.node.name, each.value if each.error is None else each.error) for each in answers]

    def refute(self, told: tuple[str, Exchange], against: tuple[str, Exchange] | None, why: str) -> None:
        """As `Caller.refute`; a node that was corrected by itself may tell the truth again, so it stays."""
        self.evidence.keep(told, against, why, refuted=True)
        for node in self.nodes:
            if node.name == told[0]:
                node.counters["disagreements"] += 1
                if against is not None and against[0] != node.name:
                    node.lied(self._asking.clock(), self._asking.quarantine_s)

    def disputed(self, told: Tellers, against: Tellers, why: str) -> None:
        """As `Caller.disputed`; counted for whoever told either."""
        for node in self.nodes:
            node.counters["disagreements"] += node.name in told or node.name in against
        self.evidence.dispute(told, against, why)

    def noting(self, tellers: Tellers) -> Pool:
        """As `Caller.noting`."""
        return self._view(replace(self._asking, tellers=tellers))

    def other(self, than: Collection[str], *, only: bool = False) -> Pool:
        """As `Caller.other`; who is away comes after those that were asked before."""
        return self._view(replace(self._asking, avoided=frozenset(than), without=only))

    def _view(self, asking: Asking) -> Pool:
        """The same nodes and what is known of them, asked otherwise."""
        view = copy.copy(self)
        view._asking = asking
        return view

    def pardon(self, name: str) -> bool:
        """Believes a liar again before its time; False when there is none of that name."""
        liars = [node for node in self.nodes if node.name == name and node.state is NodeState.LYING]
        for node in liars:
            node.released()
            node.until = 0.0
        return bool(liars)

    async def probe(self) -> None:
        """Looks at every node whose rest is over: its chain, whether it syncs, its head."""
        now = self._asking.clock()
        await asyncio.gather(*(self._probe(n) for n in self.nodes if max(n.until, n.limited_until) <= now))
        known = sorted((n.head for n in self.nodes if n.head is not None and not n.locked), reverse=True)
        if len(known) < self._quorum:
            return
        head = known[self._quorum - 1]
        for node in self.nodes:
            rests = node.until > now
            if node.state in (NodeState.ALIVE, NodeState.LAGGING) and node.head is not None and not rests:
                behind = head - node.head > self._lag_blocks
                node.state = NodeState.LAGGING if behind else NodeState.ALIVE

    async def _probe(self, node: Node) -> None:
        if node.state is NodeState.LYING:
            node.released()
        node.chain_known = False
        syncing = await self._asking.one(node, lambda rpc: rpc.call("eth_syncing"))
        head = await self._asking.timed(node, heads.latest)
        node.head = None if head.error is not None else head.value.number
        if node.state in (NodeState.ALIVE, NodeState.LAGGING, NodeState.SYNCING):
            # A provider without the method serves no node that syncs.
            busy = syncing.error is None and syncing.value is not False
            node.state = NodeState.SYNCING if busy else NodeState.ALIVE


def pool(
    rpcs: Sequence[tuple[Rpc, int]],
    *,
    chain_id: int,
    quorum: int = 1,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
) -> Pool:
    """A pool of clients with their tiers, each node under the name of its host."""

    for rpc, _ in rpcs:
        rpc.worth = rpcs[0][0].worth  # what is learned is of the chain, not of a node
    called = names([rpc.url for rpc, _ in rpcs])
    nodes = [Node(rpc, name, tier) for (rpc, tier), name in zip(rpcs, called, strict=True)]
    return Pool(nodes, chain_id=chain_id, quorum=quorum, patience_s=patience_s, clock=clock)
