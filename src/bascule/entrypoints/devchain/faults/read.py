"""Readers of single values: each returns the value, or raises ValueError that says what is needed."""

import math
from collections.abc import Callable, Collection
from typing import Any

MAX_SECONDS = 600.0

Reader = Callable[[object], Any]


def whole(least: int = -(2**53), most: int = 2**53) -> Reader:
    """A whole number within bounds."""

    def reader(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            bounds = f" from {least}" * (least > -(2**53)) + f" to {most}" * (most < 2**53)
            raise ValueError(f"a whole number{bounds} is needed")
        return value

    return reader


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("a number is needed")
    return float(value)


def seconds(value: object) -> float:
    """A duration."""
    if not 0 <= (found := _number(value)) <= MAX_SECONDS:
        raise ValueError(f"seconds from 0 to {MAX_SECONDS:.0f} are needed")
    return found


def share(value: object) -> float:
    """A part of a whole, above 0."""
    if not 0 < (found := _number(value)) <= 1:
        raise ValueError("a number above 0 and at most 1 is needed")
    return found


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false is needed")
    return value


def text(value: object) -> str:
    """Some text."""
    if not isinstance(value, str) or not value:
        raise ValueError("a text is needed")
    return value


def anything(value: object) -> Any:
    """Any JSON value."""
    return value


code = whole(-(2**31), 2**31 - 1)


def url(value: object) -> str:
    """An http address."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise ValueError("an http or https URL is needed")
    return value


def one_of(choices: Collection[str]) -> Reader:
    """One of some names."""

    def reader(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed")
        return value

    return reader


def optional(reader: Reader) -> Reader:
    """The same, or null."""
    return lambda value: None if value is None else reader(value)


def methods(controls: tuple[str, ...]) -> Reader:
    """Names of methods, none of them one that steers the node."""

    def reader(value: object) -> frozenset[str]:
        if not isinstance(value, list) or not value or not all(isinstance(m, str) and m for m in value):
            raise ValueError("a list of method names is needed; leave it out for the kind's own")
        for method in value:
            if method.startswith(controls):
                raise ValueError(f"{method} steers the node and is never bent")
        return frozenset(value)

    return reader
