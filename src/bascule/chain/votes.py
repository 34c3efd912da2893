"""What several nodes say of the same places, counted: what wins is told alike by a quorum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.chain.errors import Garbled, Hearsay, IncompleteAnswer, WrongShape
from bascule.chain.evidence import Exchange
from bascule.chain.node import Node
from bascule.domain.errors import BasculeError


class Answer:
    """What one node made of a question: a value or an error, and the newest exchange about it.

    says: the value place by place, None where the node does not know.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.value: Any = None
        self.error: BasculeError | None = None
        self.exchange = Exchange()
        self.says: tuple[object, ...] = ()

    @property
    def contradicts(self) -> bool:
        """Whether it contradicts itself, a hash or another node, rather than being none."""
        return isinstance(self.error, WrongShape | IncompleteAnswer) and not isinstance(self.error, Garbled)

    @property
    def refuted(self) -> bool:
        """Whether that proves it wrong: another node's bare word does not."""
        return self.contradicts and not isinstance(self.error, Hearsay)

    @property
    def told(self) -> tuple[str, Exchange]:
        return self.node.name, self.exchange


@dataclass(frozen=True)
class Count:
    """won: the answer that a quorum bears out, the fullest if it may be one in part; None: there is none, or
    nodes contradict each other about a place that it leaves out. foremost: the one that won, else the one
    that most bear out; behind: those that bear it out; apart: those that contradict it; alike: how many said
    each same thing, most first.
    """

    won: Answer | None
    foremost: Answer | None
    behind: list[Answer]
    apart: list[Answer]
    alike: list[int]


def count(answers: Sequence[Answer], quorum: int, *, partly: bool) -> Count:
    """answers: best node first, which decides between equals; partly: as `Caller.agreed`."""
    bears_out = _tells if partly else _same
    votes = {answer: sum(bears_out(other, answer) for other in answers) for answer in answers}
    differing = [a for a in answers if any(contradict(a.says, b.says) for b in answers)]
    enough = [answer for answer in answers if votes[answer] >= quorum]
    won = max(enough, key=lambda a: (-a.says.count(None) if partly else 0, votes[a]), default=None)
    if won is not None and partly and any(_undecided(won, a, b) for a in differing for b in differing):
        won = None
    foremost = won or max(differing or answers, key=lambda a: votes[a], default=None)
    return Count(
        won,
        foremost,
        [a for a in answers if foremost is not None and bears_out(a, foremost)],
        [a for a in answers if foremost is not None and contradict(a.says, foremost.says)],
        [alike for _, alike in Counter(a.says for a in answers).most_common()],
    )


def believed(nodes: Sequence[Node], name: str) -> int:
    """The most told under a name by nodes that were not proven liars since; one node alone may go back."""
    return max(node.heights.get(name, 0) for node in nodes) if len(nodes) > 1 else 0


def attested(nodes: Sequence[Node], name: str, quorum: int) -> int:
    """The greatest height under a name that so many nodes have reached, by what each said last; never below
    what was before, while one of those that said so is no liar.
    """
    now = sorted((node.reached.get(name, 0) for node in nodes), reverse=True)[quorum - 1]
    for node in nodes:
        if node.reached.get(name, 0) >= now:
            node.attested[name] = max(now, node.attested.get(name, 0))
    return max(node.attested.get(name, 0) for node in nodes)


def true(answers: Sequence[Answer]) -> list[Answer]:
    """Those that nothing speaks against."""
    return [answer for answer in answers if answer.error is None]


def contradict(told: Sequence[object], against: Sequence[object]) -> bool:
    """Whether two nodes say different things of the same place; not knowing contradicts nothing."""
    return any(a != b for a, b in zip(told, against, strict=True) if a is not None and b is not None)


def shown(told: Sequence[object]) -> str:
    """What a node says, short enough for a line."""
    words = ["0x" + each.hex() if isinstance(each, bytes) else str(each) for each in told]
    return ", ".join(words[:1] if len(words) == 1 else [words[0], "…", words[-1]])


def _same(answer: Answer, other: Answer) -> bool:
    return answer.says == other.says


def _tells(answer: Answer, all_of: Answer) -> bool:
    """Whether it says at least what the other one does."""
    return all(b is None or a == b for a, b in zip(answer.says, all_of.says, strict=True))


def _undecided(won: Answer, a: Answer, b: Answer) -> bool:
    """Whether two answers contradict each other about a place that the winner leaves out."""
    left_out = [at for at, place in enumerate(won.says) if place is None]
    return contradict([a.says[at] for at in left_out], [b.says[at] for at in left_out])
