"""Ethereum's JSON spelling of numbers and bytes, read strictly."""

from bascule.chain.errors import WrongShape


def number(text: str, *, method: str) -> int:
    """The non-negative number in a 0x quantity of at most 256 bits. Raises: WrongShape."""
    digits = text[2:]
    if not text.startswith("0x") or not 1 <= len(digits) <= 64 or not (digits.isascii() and digits.isalnum()):
        raise WrongShape(method=method, why=f"{text[:80]!r} is not a quantity")
    try:
        return int(digits, 16)  # which alone would take signs, underscores, blanks and foreign digits too
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
