"""Whom of a pool's nodes a question goes to: the next one until an answer bears itself out, or all at once.

What a node does with a question moves its state; an answer proven wrong is kept beside the right one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from bascule.chain import side_by_side
from bascule.chain.caller import Ask
from bascule.chain.errors import (
    IncompleteAnswer,
    LeftOut,
    NodeSays,
    NodeUnreachable,
    RpcError,
    WrongChain,
    WrongShape,
)
from bascule.chain.evidence import Evidence, Exchange, Tellers
from bascule.chain.node import Node, NodeState
from bascule.chain.votes import Answer, true
from bascule.domain.errors import BasculeError

T = TypeVar("T")

# Refusals that are about the node, not about what was asked.
_ASK_ANOTHER = frozenset(
    {
        NodeSays.RATE_LIMITED,
        NodeSays.UNKNOWN_BLOCK,
        NodeSays.METHOD_MISSING,
        NodeSays.TOO_MANY_RESULTS,
        NodeSays.TIMED_OUT,
        NodeSays.UNKNOWN,
    }
)
# What a node calls a block that stays.
FINAL_TAGS = ("finalized", "safe")
_FAILURES = (NodeUnreachable, WrongShape, IncompleteAnswer, RpcError, WrongChain)


@dataclass(frozen=True, eq=False)
class Asking:
    """Puts questions to the nodes of one chain, and keeps what contradicts them.

    quarantine_s: how long a liar is left alone; patience_s: how long a question to several waits for the
    others once it has enough; clock: seconds, only rising; avoided: by name, who is asked last of those that
    are not away; without: not at all, while there are others; tellers: as `Caller.noting`.
    """

    nodes: Sequence[Node]
    chain_id: int
    quarantine_s: float
    patience_s: float
    clock: Callable[[], float]
    evidence: Evidence = field(default_factory=Evidence)
    avoided: AbstractSet[str] = frozenset()
    without: bool = False
    tellers: Tellers | None = None

    def ranked(self) -> list[Node]:
        """Whom to ask, best first. Raises: RpcError or NodeUnreachable when nobody may be asked now."""
        now = self.clock()
        believed = [node for node in self.nodes if not node.locked] or self.nodes[: len(self.nodes) == 1]
        if not believed:
            raise NodeUnreachable(method="pool", why="every node lies or serves another chain")
        free = [node for node in believed if node.limited_until <= now]
        if not free:
            wait = min(node.limited_until for node in believed) - now
            message = f"rate limit at every node for {wait:.0f} s"
            raise RpcError(method="pool", code=429, message=message, retry_after=wait)
        if self.without and not self.avoided >= {node.name for node in self.nodes}:
            free = self._others(free, now)

        def order(node: Node) -> tuple[object, ...]:
            away = bool(self.avoided) and node.state is NodeState.UNREACHABLE
            return (away, node.name in self.avoided, *node.rank)

        return sorted(free, key=order)

    def _others(self, free: Sequence[Node], now: float) -> list[Node]:
        """Those that were not asked before and do not rest. Raises: NodeUnreachable when there are none."""
        others = [node for node in free if node.name not in self.avoided]
        awake = [node for node in others if node.state is not NodeState.UNREACHABLE or node.until <= now]
        if not awake:
            asked = ", ".join(sorted(self.avoided))
            raise NodeUnreachable(method="pool", why=f"no node but {asked} answers: a second one must, too")
        return awake

    async def first(self, ask: Ask[T], enough: Callable[[T], bool] | None) -> Answer:
        """The first answer that is true and enough; else one that falls short; else the first error."""
        wrong: list[Answer] = []
        short: list[Answer] = []
        errors: list[BasculeError] = []
        for node in self.ranked():
            answer = await self.one(node, ask)
            if answer.error is not None:
                errors.append(answer.error)
                if answer.contradicts:
                    wrong.append(answer)
                elif isinstance(answer.error, RpcError) and answer.error.says not in _ASK_ANOTHER:
                    raise answer.error
                continue
            for told in wrong:
                self.keep(told, answer, str(told.error), lies=told.refuted)
            wrong.clear()
            if enough is None or enough(answer.value):
                return self.taken(answer)
            short.append(answer)
        for told in wrong:  # nobody else answered: it may be we who are wrong, so nobody is locked out
            self.keep(told, None, str(told.error), lies=False)
        if not short:
            raise errors[0]
        return self.taken(short[0])

    async def several(
        self, ask: Ask[T], hear: Callable[[Answer], None], enough: Callable[[Sequence[Answer]], bool]
    ) -> list[Answer]:
        """The true answers that are enough, best node first; where none are, of every node that may be asked.

        Who is away, or still owes an answer, is asked only where the others are not enough. hear: told of
        each true answer, also of one that comes when nobody waits any more. Raises: the best one's error.
        """
        ranked = self.ranked()
        ready = [node for node in ranked if node.state is not NodeState.UNREACHABLE and not node.owing]
        answers: list[Answer] = []

        async def heard(node: Node) -> Answer:
            answer = await self.timed(node, ask)
            if answer.error is None:
                hear(answer)
            return answer

        def late(answer: Answer) -> None:
            self._keep_contradictions([answer], true(answers)[0])

        async def add(part: Sequence[Node]) -> None:
            answers.extend(
                await side_by_side.answers(
                    part,
                    heard,
                    enough=lambda told: enough(true([*answers, *told])),
                    late=late,
                    patience_s=self.patience_s,
                )
            )

        await add(ready)
        if not enough(true(answers)):
            await add([node for node in ranked if node not in ready])
        found = true(answers)
        self._keep_contradictions(answers, found[0] if found else None)
        if not found and answers[0].error is not None:
            raise answers[0].error
        return found

    async def one(self, node: Node, ask: Ask[T]) -> Answer:
        """One node's answer; what it did moves its state."""
        answer, witness = Answer(node), node.rpc.witness()
        try:
            if len(self.nodes) > 1:
                await node.require_chain(self.chain_id)
            answer.value = await ask(witness)
        except _FAILURES as error:
            answer.error = error
            node.failed(error, self.clock())
        else:
            node.answered()
        answer.exchange = witness.exchange or Exchange()
        return answer

    async def everyone(self, ask: Ask[T]) -> list[Answer]:
        """Each node's answer, best first; of one that is away and rests just that, while others are not."""
        ranked, now = self.ranked(), self.clock()
        away = [node for node in ranked if node.state is NodeState.UNREACHABLE and node.until > now]
        asked = [node for node in ranked if node not in away] or ranked
        answers = await asyncio.gather(*(self.one(node, ask) for node in asked))
        for node in [node for node in away if node not in asked]:
            silent = Answer(node)
            silent.error = NodeUnreachable(method="pool", why="it did not answer before, and rests")
            answers.append(silent)
        return answers

    async def timed(self, node: Node, ask: Ask[T]) -> Answer:
        """As `one`, of a question that all are asked: how long each takes says who comes first of a tier."""
        began = self.clock()
        answer = await self.one(node, ask)
        if answer.error is None:
            node.times.append(self.clock() - began)
            like = [each for each in self.nodes if each.tier == node.tier and each.recent_s is not None]
            for each in like:
                each.paced(min(other.recent_s or 0.0 for other in like))
        return answer

    def taken(self, answer: Answer) -> Answer:
        """The answer, after whoever notes tellers knows whose it is."""
        if self.tellers is not None:
            self.tellers[answer.node.name] = answer.exchange
        return answer

    def keep(self, told: Answer, against: Answer | None, why: str, *, lies: bool) -> None:
        told.node.counters["disagreements"] += 1
        self.evidence.keep(told.told, None if against is None else against.told, why, refuted=lies)
        if not lies:
            return
        error = told.error
        if isinstance(error, LeftOut) and error.number > self.final:
            told.node.fell_short(error.block_hash, self.clock(), self.quarantine_s)
        else:
            told.node.lied(self.clock(), self.quarantine_s)

    @property
    def final(self) -> int:
        """The greatest height that a quorum said is final, in a chain that has a name for it; else 0."""
        return max(node.attested.get(tag, 0) for node in self.nodes for tag in FINAL_TAGS)

    def _keep_contradictions(self, answers: Sequence[Answer], against: Answer | None) -> None:
        for answer in answers:
            if answer.contradicts:
                self.keep(answer, against, str(answer.error), lies=against is not None and answer.refuted)
