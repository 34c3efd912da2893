"""Moments as people write them on the command line."""

from __future__ import annotations

from datetime import datetime

from bascule.entrypoints.failures import USAGE, CommandFailed


def moment(text: str, name: str, default: datetime | None = None) -> datetime:
    """An instant; without a zone it would be another one on another machine. Raises: CommandFailed."""
    if not text and default is not None:
        return default
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CommandFailed(
            f"{name}: {text!r} is no moment with a time zone", "write 2026-11-01T00:00Z", code=USAGE
        )
    return found
