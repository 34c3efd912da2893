"""One node of a pool: what it did lately, and when it may be asked again."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bascule.chain import heads
from bascule.chain.errors import Garbled, NodeSays, NodeUnreachable, RpcError, WrongChain
from bascule.chain.rpc import Rpc
from bascule.domain.chain import Hash
from bascule.domain.errors import BasculeError

FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
REMEMBERED = 64  # blocks
# A node is slow, and asked after its like, when its recent answers took so many times as long as the quickest
# one's; it is so no more at half of that. Below QUICK_S nobody is.
SLOWER = 4
QUICK_S = 0.05
TIMES = 5  # are recent; fewer than TIMES_NEEDED say nothing
TIMES_NEEDED = 3
# How long a node is asked last whose answer left something out, the first time, the second and so on.
SHORT_RESTS_S = (4.0, 16.0, 64.0, 256.0)


class NodeState(StrEnum):
    """Best first. Who serves another chain or lies is not asked at all."""

    ALIVE = "alive"
    LAGGING = "lagging"
    SYNCING = "syncing"
    DISPUTED = "disputed"
    UNREACHABLE = "unreachable"
    WRONG_CHAIN = "wrong_chain"
    LYING = "lying"


_RANK = {state: rank for rank, state in enumerate(NodeState)}
# Counters of questions that were not answered, or wrongly, and as how many answers each weighs: silence costs
# a moment, a wrong answer may cost money.
FAILURES = {
    "unreachable": 1,
    "refusals": 1,
    "answers_refused": 10,
    "disagreements": 10,
    "wrong_chain": 100,
    "lies": 1_000,
}
_LOCKED = frozenset({NodeState.WRONG_CHAIN, NodeState.LYING})


@dataclass(eq=False)
class Node:
    """A node's client with what is known of it. Times are seconds of the pool's clock.

    tier: lower is asked first; chain_known: it has said our chain's id since it was last away; until: when
    its rest is over; shorts: how often its answers left something out lately; short_of: of which blocks, and
    until when that may be an index that is late; times: seconds that its recent answers took to what all are
    asked; pace: 0, or in which power of SLOWER it is slower than the quickest; heights: what it said under
    each name and was believed; reached: what it said last under each name, unless it is away; attested: the
    most that a quorum said under each name, it among them; owing: questions of which nobody waits for its
    answers any more; counters: what it did, by name; reasons: why its answers were refused, by name.
    """

    rpc: Rpc
    name: str
    tier: int = 1
    state: NodeState = NodeState.ALIVE
    chain_known: bool = False
    limited_until: float = 0.0
    until: float = 0.0
    failures: int = 0
    shorts: int = 0
    short_of: dict[Hash, float] = field(default_factory=dict)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES))
    pace: int = 0
    head: int | None = None
    heights: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    attested: dict[str, int] = field(default_factory=dict)
    owing: set[asyncio.Task[Any]] = field(default_factory=set)
    counters: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rpc.name = self.name

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller is better."""
        return _RANK[self.state], self.tier, self.pace

    @property
    def recent_s(self) -> float | None:
        """What the middle one of its recent answers took, so that one alone says nothing; None: not known."""
        return median(self.times) if len(self.times) >= TIMES_NEEDED else None

    @property
    def score(self) -> float:
        """The share of questions that it answered, wrong answers weighing more than none (FAILURES); 1
        before it was asked.
        """
        told = self.counters["answers"]
        failed = sum(weight * self.counters[name] for name, weight in FAILURES.items())
        return told / (told + failed) if told + failed else 1.0

    @property
    def locked(self) -> bool:
        """Whether it is not asked, whatever becomes of the others."""
        return self.state in _LOCKED

    async def require_chain(self, chain_id: int) -> None:
        """It is asked for nothing before it has said our chain's id. Raises: WrongChain, or as a read."""
        if self.chain_known:
            return
        await heads.require_chain(self.rpc, chain_id)
        if self.state is NodeState.WRONG_CHAIN:
            self.released()
        self.chain_known = True

    def answered(self) -> None:
        """It gave an answer that bears itself out."""
        self.failures = 0
        self.counters["answers"] += 1
        if self.state is NodeState.UNREACHABLE:
            self.state = NodeState.ALIVE

    def paced(self, quickest_s: float) -> None:
        """Its place among those of its tier, the quickest of which takes so long."""
        assert self.recent_s is not None, "it is one of them"
        times = self.recent_s / max(quickest_s, QUICK_S)
        while times >= SLOWER ** (self.pace + 1):
            self.pace += 1
        while self.pace and times < SLOWER**self.pace / 2:
            self.pace -= 1

    def failed(self, error: BasculeError, now: float) -> None:
        """It did not answer, or so that nothing of it may be used."""
        self.reasons[str(getattr(error, "reason", "unknown"))] += 1
        if isinstance(error, WrongChain):
            self.counters["wrong_chain"] += 1
            self.state = NodeState.WRONG_CHAIN
            self._forget()
        elif isinstance(error, NodeUnreachable | Garbled):
            self.away(now)
        elif isinstance(error, RpcError):
            self.counters["refusals"] += 1
            if error.says is NodeSays.RATE_LIMITED:
                self.limited(now, error.retry_after)
        else:
            self.counters["answers_refused"] += 1

    def away(self, now: float) -> None:
        """No usable answer came."""
        self.counters["unreachable"] += 1
        self.chain_known = False
        self.reached.clear()
        if not self.locked:
            self.state = NodeState.UNREACHABLE
            self.until = now + self._rest()

    def limited(self, now: float, retry_after: float | None) -> None:
        """It wants to be asked less: not at all until then, at most a minute."""
        self.counters["rate_limited"] += 1
        wanted = self._rest() if retry_after is None else max(FIRST_REST_S, retry_after)
        self.limited_until = now + min(LONGEST_REST_S, wanted)

    def lied(self, now: float, quarantine_s: float) -> None:
        """It is proven wrong: what it said counts no more, and it is not asked until then."""
        self.counters["lies"] += 1
        self.state = NodeState.LYING
        self.until = now + quarantine_s
        self._forget()

    def fell_short(self, block: Hash, now: float, quarantine_s: float) -> None:
        """It left out what another had of a block that may still change, as an index that is late does: the
        others are asked first for a while, longer each time. Whose index is late still says so then: it lies.
        """
        if now > self.until + quarantine_s:
            self.shorts = 0
            self.short_of.clear()
        if now >= self.short_of.get(block, math.inf):
            self.lied(now, quarantine_s)
            return
        self.counters["left_out"] += 1
        if block in self.short_of:
            return
        if now >= self.until:  # else its answers to what was asked at the same time say no more than one
            self.state = NodeState.LAGGING
            self.until = now + SHORT_RESTS_S[min(self.shorts, len(SHORT_RESTS_S) - 1)]
            self.shorts += 1
        self.short_of[block] = self.until
        if len(self.short_of) > REMEMBERED:
            del self.short_of[next(iter(self.short_of))]

    def strayed(self) -> None:
        """It stands on a fork of its own: the others are asked first, until a probe finds it well."""
        self.counters["strayed"] += 1
        self.state = NodeState.LAGGING
        self.heights.clear()

    def doubted(self) -> None:
        """It and another differ about a final block, and nobody decides between them: others come first."""
        self.counters["doubted"] += 1
        self.state = NodeState.DISPUTED

    def cleared(self) -> None:
        """A quorum says what it says."""
        if self.state is NodeState.DISPUTED:
            self.state = NodeState.ALIVE

    def released(self) -> None:
        """It is believed again: by an operator, or after its time."""
        self.state = NodeState.ALIVE
        self.chain_known = False

    def _forget(self) -> None:
        """Nothing it said counts any more."""
        self.heights.clear()
        self.reached.clear()
        self.attested.clear()

    def _rest(self) -> float:
        rest = min(LONGEST_REST_S, FIRST_REST_S * 2.0**self.failures)
        self.failures = min(self.failures + 1, 10)
        return rest


def names(urls: list[str]) -> list[str]:
    """What nodes are called: their hosts, numbered where one serves twice. Paths and users may be secrets."""
    hosts = [urlsplit(url).netloc.rpartition("@")[2] for url in urls]
    return [
        host if hosts.count(host) == 1 else f"{host}#{hosts[: at + 1].count(host)}"
        for at, host in enumerate(hosts)
    ]
