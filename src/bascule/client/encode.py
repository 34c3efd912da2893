"""Ids in paths, and parameters of a query as the API reads them: `created[gte]=1`, `types[]=a`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

# What httpx takes; all values here are text.
Pair = tuple[str, str | int | float | bool | None]


def segment(id: str) -> str:
    """One part of a path, whatever was given for an id."""
    return quote(id, safe="")


def query(params: Mapping[str, Any]) -> list[Pair]:
    """Pairs in order; None is left out."""
    pairs: list[Pair] = []
    for name, value in params.items():
        pairs += _pairs(name, value)
    return pairs


def _pairs(name: str, value: Any) -> list[Pair]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    if isinstance(value, Mapping):
        return [pair for key, part in value.items() for pair in _pairs(f"{name}[{key}]", part)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [pair for part in value for pair in _pairs(f"{name}[]", part)]
    return [(name, str(value))]
