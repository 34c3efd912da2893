"""What nodes said that cannot both be true: kept word for word until somebody stores it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bascule.domain.chain import Hash
from bascule.domain.disagreement import KEPT_BYTES, Disagreement

# Between two looks of who stores them; beyond, the newest are counted and forgotten.
PENDING = 32
# So many are remembered, so that one that is told again at every look is kept once.
REMEMBERED = 4_096
# Of one node, while the process lives: who lies at every look fills no disk.
KEPT_OF_A_NODE = 256
# Answers that may still turn out to be wrong; beyond, the oldest are forgotten.
HEARD_BYTES = 32 * 1024 * 1024
_BEFORE = 1_024  # bytes of an answer before the name of the block that it is about


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP exchange with a node: the bodies, byte for byte. size: of the answer where this is a part."""

    request: bytes = b""
    answer: bytes = b""
    size: int | None = None

    def about(self, block_hash: Hash) -> Exchange:
        """The part of a long answer that begins where it first names a block; a short one is whole."""
        at = self.answer.find(block_hash.hex().encode()) if len(self.answer) > KEPT_BYTES else 0
        begin = max(0, at - _BEFORE)
        return replace(self, answer=self.answer[begin : begin + KEPT_BYTES], size=len(self.answer))


# Whose answers were taken, by name, and the newest exchange with each.
Tellers = dict[str, Exchange]


class Heard:
    """What nodes answered about blocks, until these are proven: at most `HEARD_BYTES` of it."""

    def __init__(self) -> None:
        self._by_block: dict[Hash, tuple[str, Exchange]] = {}
        self._kept: deque[tuple[Exchange, Sequence[Hash]]] = deque()
        self._bytes = 0

    def note(self, node: str, exchange: Exchange | None, blocks: Sequence[Hash]) -> None:
        """A node told of these blocks in this exchange."""
        if exchange is None or not blocks:
            return
        self._by_block.update(dict.fromkeys(blocks, (node, exchange)))
        self._kept.append((exchange, blocks))
        self._bytes += len(exchange.answer)
        while self._kept and self._bytes > HEARD_BYTES:
            self._drop()

    def of(self, block_hash: Hash) -> tuple[str, Exchange] | None:
        """Who told of a block, and where it did."""
        told = self._by_block.get(block_hash)
        return None if told is None else (told[0], told[1].about(block_hash))

    def tellers(self, blocks: Sequence[Hash]) -> set[str]:
        """Who told of these, as far as it is remembered."""
        return {self._by_block[each][0] for each in blocks if each in self._by_block}

    def proven(self, blocks: Sequence[Hash]) -> None:
        """Nobody will ask for these again."""
        for block_hash in blocks:
            self._by_block.pop(block_hash, None)
        while self._kept and self._by_block.keys().isdisjoint(self._kept[0][1]):
            self._drop()

    def _drop(self) -> None:
        """Forgets the oldest exchange."""
        exchange, blocks = self._kept.popleft()
        self._bytes -= len(exchange.answer)
        for block_hash in blocks:
            if (told := self._by_block.get(block_hash)) is not None and told[1] is exchange:
                del self._by_block[block_hash]


class Evidence:
    """Disagreements in the order in which they were first seen. stored: how many somebody stored; lost: how
    many there was no room for.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.stored = 0
        self._pending: deque[Disagreement] = deque()
        self._seen: dict[tuple[str, str | None, str], None] = {}
        self._of_node: Counter[str] = Counter()

    @property
    def pending(self) -> list[Disagreement]:
        """What was not stored yet."""
        return list(self._pending)

    def drop(self, count: int) -> None:
        """Forgets the first `count`: they are stored."""
        for _ in range(count):
            self._pending.popleft()
        self.stored += count

    def dispute(self, told: Mapping[str, Exchange], against: Mapping[str, Exchange], why: str) -> None:
        """Keeps what two askings brought that cannot both be true: of each the node that told its end."""
        if told:
            other = [*against.items()][-1] if against else None
            self.keep([*told.items()][-1], other, why, refuted=False)

    def keep(
        self, told: tuple[str, Exchange], against: tuple[str, Exchange] | None, why: str, *, refuted: bool
    ) -> None:
        """Keeps a node's answer beside the one that contradicts it, unless it was kept before."""
        node, said = told
        other, true = against or (None, None)
        if (node, other, why) in self._seen:
            return
        if len(self._pending) >= PENDING or self._of_node[node] >= KEPT_OF_A_NODE:
            self.lost += 1
            return
        self._seen[node, other, why] = None
        self._of_node[node] += 1
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
                answer_size=_size(said),
                other_answer=None if true is None else true.answer[:KEPT_BYTES],
                other_size=None if true is None else _size(true),
            )
        )


def _size(exchange: Exchange) -> int:
    return len(exchange.answer) if exchange.size is None else exchange.size
