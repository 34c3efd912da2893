"""Disagreements among nodes: two answers that cannot both be true, word for word."""

from dataclasses import dataclass

# Of each body; a longer one is cut, and its size says so.
KEPT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that contradicts a hash, or another node's. other: None when no second node answered.

    node, other: names of nodes, without secrets; refuted: the first one is proven wrong; request: as it was
    sent to the first one; sizes: bytes of the whole answers.
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
