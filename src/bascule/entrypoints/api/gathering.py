"""What is asked while others are worked on is worked on together, next: one transaction for all of it.

Nobody waits for company: who comes first is worked on at once, alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

A = TypeVar("A")  # what is asked
M = TypeVar("M")  # what is made of it
MOST = 64  # in one group: its transaction stays short, and a crash is told to no more


class Gathering(Generic[A, M]):
    """Groups of what came meanwhile, one group at a time, in the order of arrival.

    work: for each of a group, in order, what is made of it or the error it meets; what it raises, all meet.
    """

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[M | Exception]]]) -> None:
        self._work = work
        self._waiting: deque[tuple[A, asyncio.Future[M]]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._context = copy_context()  # not that of whoever comes first: what is logged is of no one request

    async def do(self, asked: A) -> M:
        """What is made of this one. Raises: the error it meets. Who stops waiting does not stop the work."""
        made: asyncio.Future[M] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, made))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off(), context=self._context)
        return await made

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                await self._work_on(group)
        finally:
            self._working = None

    async def _work_on(self, group: Sequence[tuple[A, asyncio.Future[M]]]) -> None:
        outcomes: Sequence[M | BaseException]
        try:
            outcomes = await self._work([asked for asked, _ in group])
        except asyncio.CancelledError:
            for _, made in group:
                made.cancel()
            raise
        except BaseException as error:  # the task is nobody's: whoever waits is told, whatever it is
            outcomes = [error] * len(group)
        for (_, made), outcome in zip(group, outcomes, strict=True):
            if made.done():
                continue
            if isinstance(outcome, BaseException):
                made.set_exception(outcome)
            else:
                made.set_result(outcome)
