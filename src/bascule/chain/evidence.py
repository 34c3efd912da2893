"""What nodes said that cannot both be true: kept word for word until somebody stores it."""

from collections import deque
from dataclasses import dataclass

from bascule.domain.disagreement import KEPT_BYTES, Disagreement

# Between two looks of who stores them; beyond, the newest are counted and forgotten.
PENDING = 32
# So many are remembered, so that one that is told again at every look is kept once.
REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP exchange with a node: the bodies, byte for byte."""

    request: bytes = b""
    answer: bytes = b""


class Evidence:
    """Disagreements in the order in which they were first seen. lost: how many there was no room for."""

    def __init__(self) -> None:
        self.lost = 0
        self._pending: deque[Disagreement] = deque()
        self._seen: dict[tuple[str, str | None, str], None] = {}

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
        """Keeps a node's answer beside the one that contradicts it, unless it was kept before."""
        node, said = told
        other, true = against or (None, None)
        if (node, other, why) in self._seen:
            return
        if len(self._pending) >= PENDING:
            self.lost += 1
            return
        self._seen[node, other, why] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
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
