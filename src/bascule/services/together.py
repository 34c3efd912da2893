"""One question for all who ask it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Together:
    """Whoever asks while nobody has begun to, waits for the same answer.

    No answer is older than its question: who comes while one is sought waits for the next, with all others
    that came. What the one who looked raised, all of them raise.
    """

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._turns: dict[Hashable, asyncio.Lock] = {}

    async def ask(self, what: Hashable, look: Callable[[], Awaitable[T]]) -> T:
        """What the next look at `what` finds. look: how it is done, by whoever came first.

        Who is cancelled leaves the others their answer.
        """
        if what not in self._next:
            self._next[what] = asyncio.create_task(self._look(what, look))
        found: T = await asyncio.shield(self._next[what])
        return found

    async def _look(self, what: Hashable, look: Callable[[], Awaitable[T]]) -> T:
        async with self._turns.setdefault(what, asyncio.Lock()):
            del self._next[what]
            return await look()
