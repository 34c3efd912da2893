"""One after the other, each by itself: what fails keeps nothing else from its turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from bascule.domain.errors import BasculeError, Halted

T = TypeVar("T")
log = structlog.get_logger()


async def each(what: str, due: Sequence[T], step: Callable[[T], Awaitable[bool]]) -> int:
    """How many of what is due went on by their steps. what: one of them, in a word.

    Raises: after the last one what the first failed with; Halted for what nobody foresaw.
    """
    done, failed = 0, list[Exception]()
    for one in due:
        try:
            done += await step(one)
        except Exception as error:
            log.exception(f"{what} failed", subject=str(one))
            failed.append(error)
    if failed and isinstance(failed[0], BasculeError):
        raise failed[0]
    if failed:
        raise Halted(f"{len(failed)} of {len(due)} {what}s fail") from failed[0]
    return done
