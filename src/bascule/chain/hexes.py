"""Ethereum's JSON spelling of numbers and bytes, read strictly."""

from bascule.chain.errors import WrongShape


def number(text: str, *, method: str) -> int:
    """The non-negative number in a 0x quantity of at most 256 bits. Raises: WrongShape."""
    if not text.startswith("0x") or not 3 <= len(text) <= 66:
        raise WrongShape(method=method, why=f"{text[:80]!r} is not a quantity")
    try:
        return int(text[2:], 16)
    except ValueError:
        raise WrongShape(method=method, why=f"{text[:80]!r} is not a quantity") from None


def data(text: str, size: int | None = None, *, method: str) -> bytes:
    """The bytes in 0x data, exactly `size` of them when given. Raises: WrongShape."""
    try:
        raw = bytes.fromhex(text[2:])
    except ValueError:
        raw = b""
        text = "?" + text
    if not text.startswith("0x") or len(raw) * 2 + 2 != len(text) or (size is not None and len(raw) != size):
        wanted = "data" if size is None else f"data of {size} bytes"
        raise WrongShape(method=method, why=f"{text[:80]!r} is not {wanted}")
    return raw


def quantity(value: int) -> str:
    """The 0x spelling of a number, without leading zeros."""
    assert value >= 0
    return hex(value)
