"""Dated versions of the API: the code makes objects of the newest, and each knows how they were before it.

A version that is spoken stays spoken. What it changed is undone by functions, the newest first, so an older
version is never written again when a newer one comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Shown = dict[str, Any]
Part = Mapping[str, Any]
Undo = Callable[[Shown], Shown]  # what is shown of an object, whole or in part; as it was shown before

WRITTEN_ONCE = "event"  # its bytes are those that were told
FREE = "metadata"  # the merchant's own, whatever it looks like


@dataclass(frozen=True, slots=True)
class Version:
    """One date. undo: by what `object` says, how such an object was shown before this version."""

    date: str
    undo: Mapping[str, Undo] = field(default_factory=dict)


@dataclass(frozen=True)
class Versions:
    """Every version that is spoken, the oldest first."""

    every: tuple[Version, ...]

    @property
    def dates(self) -> tuple[str, ...]:
        """All that a request may name, the newest last."""
        return tuple(each.date for each in self.every)

    @property
    def newest(self) -> str:
        """What the code makes."""
        return self.every[-1].date

    def shown(self, value: Any, date: str) -> Any:
        """An answer as that version shows it; events in it stay as they were told."""
        for undo in self._undone(date):
            value = _before(value, undo)
        return value

    def told(self, now: Part, previous: Part | None, date: str) -> tuple[Part, Part | None]:
        """An event's object and its attributes as they were before, both as that version shows them."""
        if not self._undone(date):
            return now, previous
        after: Shown = self.shown(dict(now), date)
        if previous is None:
            return after, None
        before: Shown = self.shown({**now, **previous}, date)
        return after, {name: was for name, was in before.items() if name not in after or after[name] != was}

    def _undone(self, date: str) -> list[Mapping[str, Undo]]:
        return [each.undo for each in reversed(self.every) if each.date > date and each.undo]


def _before(value: Any, undo: Mapping[str, Undo]) -> Any:
    if isinstance(value, list):
        return [_before(part, undo) for part in value]
    if not isinstance(value, dict) or value.get("object") == WRITTEN_ONCE:
        return value
    parts = {name: part if name == FREE else _before(part, undo) for name, part in value.items()}
    kind = parts.get("object")
    return undo[kind](parts) if isinstance(kind, str) and kind in undo else parts


SPOKEN = Versions((Version("2026-12-01"),))
API_VERSION = SPOKEN.newest
