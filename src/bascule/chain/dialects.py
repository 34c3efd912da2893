"""How much a node answers at once: the range of blocks that its refusal suggests, in each provider's words.

What a refusal means is `errors.read`; this reads the numbers in it. Nothing here is believed beyond being a
smaller question: a suggestion outside the range that was asked for, or as large, counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bascule.chain.errors import NodeSays, RpcError

_NUMBER = r"(0x[0-9a-fA-F]+|\d[\d,]*)"


def _both(match: re.Match[str], first: int) -> tuple[int, int]:
    return _number(match[1]), _number(match[2])


def _width(match: re.Match[str], first: int) -> tuple[int, int]:
    return first, first + max(_number(match[1]), 1) - 1


# First match wins. Words of Infura, Alchemy and reth ("block range should work", "Try with this block range",
# "retry with the range"), QuickNode ("limited to a 10,000 range"), dRPC ("maximum is set to"), PublicNode
# ("exceed maximum block range"), Infura ("exceeds limit of") and Alchemy ("up to a 10 block range").
_SUGGESTIONS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], int], tuple[int, int]]], ...] = tuple(
    (re.compile(pattern.replace("N", _NUMBER), re.IGNORECASE), read)
    for pattern, read in (
        (r"range (?:should work: ?)?\[N, ?N\]", _both),
        (r"retry with the range N-N", _both),
        (r"limited to an? N(?: block)? range", _width),
        (r"maximum is set to N", _width),
        (r"maximum block range: N", _width),
        (r"range \d+ exceeds limit of N", _width),
        (r"up to an? N block range", _width),
    )
)


def suggested(error: RpcError, first: int, last: int) -> tuple[int, int] | None:
    """The smaller range of blocks the node would answer, beginning at `first`; None: it says none of use."""
    if error.says is not NodeSays.TOO_MANY_RESULTS:
        return None
    for pattern, read in _SUGGESTIONS:
        if match := pattern.search(error.message):
            low, high = read(match, first)
            return (first, high) if low == first <= high < last else None
    return None


def _number(text: str) -> int:
    digits = text.replace(",", "")
    return int(digits, 16) if digits.startswith("0x") else int(digits)
