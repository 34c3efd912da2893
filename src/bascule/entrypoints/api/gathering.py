"""What is asked while others are worked on is worked on together, next: one transaction for all of it.

Who comes alone is worked on at once. Where many ask at once, those who were answered together ask again
together, so a group waits a moment for as many as there were: a transaction by itself costs as much as ten
more intents in it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar

A = TypeVar("A")  # what is asked
M = TypeVar("M")  # what is made of it
MOST = 64  # in one group: its transaction stays short, and a crash is told to no more
MOMENT_S = 0.01  # for company: a tenth of what a request may take


class Gathering(Generic[A, M]):
    """Groups of what came meanwhile, one group at a time, in the order of arrival.

    work: for each of a group, in order, what is made of it or the error it meets; what it raises, all meet.
    moment_s: how long a group waits at most for as many as there were.
    """

    def __init__(
        self,
        work: Callable[[Sequence[A]], Awaitable[Sequence[M | Exception]]],
        moment_s: float = MOMENT_S,
    ) -> None:
        self._work = work
        self._moment_s = moment_s
        self._waiting: deque[tuple[A, asyncio.Future[M]]] = deque()
        self._working: asyncio.Task[None] | None = None
        self._expected = 1  # as many as asked at once the last time
        self._all_here = asyncio.Event()
        self._context = copy_context()  # not that of whoever comes first: what is logged is of no one request

    async def do(self, asked: A) -> M:
        """What is made of this one. Raises: the error it meets. Who stops waiting does not stop the work."""
        made: asyncio.Future[M] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, made))
        if len(self._waiting) >= self._expected:
            self._all_here.set()
        if self._working is None:
            self._working = asyncio.create_task(self._work_off(), context=self._context)
        return await made

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                await self._company()
                group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                await self._work_on(group)
                self._expected = min(MOST, len(group) + len(self._waiting))
        finally:
            self._working = None

    async def _company(self) -> None:
        if len(self._waiting) < self._expected:
            self._all_here.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._moment_s):
                    await self._all_here.wait()

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
