"""RLP as written (yellow paper, appendix B): how Ethereum spells out what it hashes.

Only the writing side, as every verified block passes it; what is read back is read with the `rlp` package,
which is several times slower here (docs/performance.md).
"""

from collections.abc import Iterable

EMPTY = b"\x80"


def string(raw: bytes) -> bytes:
    """A byte string."""
    if len(raw) == 1 and raw[0] < 0x80:
        return raw
    return _prefix(0x80, len(raw)) + raw


def number(value: int) -> bytes:
    """A non-negative number: big-endian, without leading zeros; zero is the empty string."""
    return string(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def sequence(items: Iterable[bytes]) -> bytes:
    """A list of items that are encoded already."""
    body = b"".join(items)
    return _prefix(0xC0, len(body)) + body


def _prefix(base: int, size: int) -> bytes:
    if size < 56:
        return bytes((base + size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((base + 55 + len(length),)) + length
