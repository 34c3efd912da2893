"""How a setting is declared: its default, its reader, and what `bascule doctor` says about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any


def value(
    default: Any,
    read: Callable[[Any], Any],
    *,
    unit: str,
    meaning: str,
    example: str,
    secret: bool = False,
) -> Any:
    """One setting: how it is read and what `bascule doctor` says about it."""
    about = {"read": read, "unit": unit, "meaning": meaning, "example": example, "secret": secret}
    return dataclasses.field(default=default, metadata=about, repr=not secret)
