"""When a block is final, and where a reorganised chain forks from ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bascule.domain.chain import BlockRef, Hash
from bascule.domain.errors import Halted


@dataclass(frozen=True, slots=True)
class FinalityPolicy:
    """What makes a block final: a tag of the node, or blocks on top of it.

    depth: with kind "depth", a block is final once at least `depth` blocks stand on it.
    """

    kind: Literal["finalized", "safe", "depth"]
    depth: int = 0

    def __post_init__(self) -> None:
        assert self.depth >= 0, "a depth is not negative"

    def __str__(self) -> str:
        return f"depth {self.depth}" if self.kind == "depth" else self.kind


@dataclass(frozen=True, slots=True)
class Tags:
    """Block numbers the node calls safe and finalized; None when it does not say."""

    safe: int | None = None
    finalized: int | None = None


class FinalizedBlockGone(Halted):
    """A block we called final is no longer in the chain; nothing may be credited or paid.

    height: where the chain shows another block than ours, at most `finalized_number`.
    """

    def __init__(self, *, finalized_number: int, height: int) -> None:
        super().__init__(
            f"The chain shows another block {height} than ours, but block {finalized_number} was final."
        )
        self.finalized_number = finalized_number
        self.height = height


class FinalBlockDisputed(Halted):
    """Nodes tell different hashes of a block that is final, and no quorum tells the same."""

    def __init__(self, *, number: int) -> None:
        super().__init__(f"Nodes disagree about block {number}, which is final, and have no majority.")
        self.number = number


def finalized_number(policy: FinalityPolicy, head: int, tags: Tags, previous: int = -1) -> int:
    """The newest final block's number: never above `head`, and never below `previous`.

    previous: what was final before, -1 for nothing. A node that falls behind, or says nothing,
    changes nothing.
    """
    if policy.kind == "depth":
        said: int | None = head - policy.depth
    elif policy.kind == "safe":
        said = tags.safe
    else:
        said = tags.finalized
    return previous if said is None else max(previous, min(said, head))


def confirmations(number: int, head: int) -> int:
    """How many blocks confirm block `number`, itself included; 0 when it is above the head."""
    return max(0, head - number + 1)


def confirmations_required(policy: FinalityPolicy) -> int | None:
    """Confirmations after which a block is final; None where the node's tag decides."""
    return policy.depth + 1 if policy.kind == "depth" else None


def fork_point(ours: Sequence[BlockRef], canonical_hash_at: Callable[[int], Hash | None]) -> BlockRef | None:
    """The newest of our blocks that the canonical chain shares, or None when it shares none.

    ours: newest first; canonical_hash_at: the hash at a height, None where the chain is shorter.
    """
    return next((block for block in ours if canonical_hash_at(block.number) == block.hash), None)
