"""What nodes said that cannot both be true: kept word for word until somebody stores it."""

from collections import deque
from dataclasses import dataclass

# Of each answer; a longer one is cut, and its length says so.
KEPT_BYTES = 256 * 1024
# Between two looks of who stores them; beyond, the newest are counted and forgotten.
PENDING = 32


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP exchange with a node: the bodies, byte for byte."""

    request: bytes = b""
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that contradicts a hash, or another node's. other: None when no second node answered.

    node, other: names of nodes, without secrets; refuted: whether the first one is proven wrong.
    """

    node: str
    other: str | None
    why: str
    refuted: bool
    request: bytes
    answer: bytes
    answer_size: int
    other_answer: bytes | None
    other_size: int | None


class Evidence:
    """Disagreements in the order in which they were seen, each once until it is dropped."""

    def __init__(self) -> None:
        self.lost = 0
        self._pending: deque[Disagreement] = deque()

    @property
    def pending(self) -> list[Disagreement]:
        """What was not stored yet."""
        return list(self._pending)

    def drop(self, count: int) -> None:
        """Forgets the first `count`: they are stored."""
        for _ in range(count):
            self._pending.popleft()

    def keep(
        self, told: tuple[str, Exchange], against: tuple[str, Exchange] | None, why: str, *, refuted: bool
    ) -> None:
        """Keeps a node's answer beside the one that contradicts it."""
        node, said = told
        other, true = against or (None, None)
        if any((d.node, d.other, d.why) == (node, other, why) for d in self._pending):
            return
        if len(self._pending) >= PENDING:
            self.lost += 1
            return
        self._pending.append(
            Disagreement(
                node=node,
                other=other,
                why=why[:1_000],
                refuted=refuted,
                request=said.request[:KEPT_BYTES],
                answer=said.answer[:KEPT_BYTES],
                answer_size=len(said.answer),
                other_answer=None if true is None else true.answer[:KEPT_BYTES],
                other_size=None if true is None else len(true.answer),
            )
        )
