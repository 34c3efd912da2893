"""A block's log filter, recomputed: what a node's list of logs must add up to, and what it cannot hold.

Three bits of 2048 for each log's address and each topic (yellow paper, 4.3.1). A log left out of an answer
leaves its bits unset, except where other logs of the block happen to set all of them.
"""

from collections.abc import Iterable
from functools import lru_cache

from bascule.domain.hashing import keccak

SIZE = 256


@lru_cache(maxsize=65_536)
def _bits(item: bytes) -> int:
    digest = keccak(item)
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bits


def bloom_of(items: Iterable[bytes]) -> bytes:
    """The 256-byte filter of these addresses and topics."""
    bits = 0
    for item in items:
        bits |= _bits(item)
    return bits.to_bytes(SIZE, "big")


def within(part: bytes, whole: bytes) -> bool:
    """Whether a filter sets nothing that another does not: its logs may be some of the other's."""
    return int.from_bytes(part, "big") & ~int.from_bytes(whole, "big") == 0


def may_hold(bloom: bytes, item: bytes) -> bool:
    """Whether a log with this address or topic can be in the block; False is certain."""
    bits = _bits(item)
    return int.from_bytes(bloom, "big") & bits == bits
