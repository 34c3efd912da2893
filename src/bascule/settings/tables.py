"""Reading of TOML tables, member by member: ValueError with words that follow the setting's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bascule.domain.chain import Address, parse_address
from bascule.domain.errors import Rejected


def table(given: Any, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A table with these members and no others."""
    if not isinstance(given, dict):
        raise ValueError(f"has {given!r} where a table of {', '.join(required)} belongs")
    if missing := [key for key in required if key not in given]:
        raise ValueError(f"lacks {missing[0]}")
    if odd := sorted(given.keys() - {*required, *optional}):
        raise ValueError(f"has an entry it does not know: {odd[0]!r}")
    return given


def items(within: Mapping[str, Any], key: str) -> list[Any]:
    """A member that is a list; empty when it is missing."""
    given = within.get(key, [])
    if not isinstance(given, list):
        raise ValueError(f"has {key} that are not a list")
    return given


def word(within: Mapping[str, Any], key: str) -> str:
    """A member that is text, and not blank."""
    given = within[key]
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"has a {key} of {given!r}, which is not text")
    return given


def address(within: Mapping[str, Any], key: str) -> Address:
    """A member that is an address, with its EIP-55 checksum where the case is mixed."""
    found: Address = read(within, key, parse_address)
    return found


def read(within: Mapping[str, Any], key: str, reader: Callable[[Any], Any]) -> Any:
    """A member that a reader of the domain takes."""
    try:
        return reader(within[key])
    except Rejected as refused:
        raise ValueError(f"has a {key} of {within[key]!r}: {refused}") from None


def whole(within: Mapping[str, Any], key: str, low: int, high: int, *, default: int | None = None) -> int:
    """A whole number. Large ones may be text too: other readers of TOML stop at 64 bits."""
    given = within.get(key, default)
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ValueError(f"has a {key} of {given!r}, not a whole number from {low} to {high}")
    return int(text)
