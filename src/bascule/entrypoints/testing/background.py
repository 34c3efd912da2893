"""An event loop in a thread of its own, so that plain tests can use servers that live in the same process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines for threads that have no loop. Open it before use, close it after."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bascule testing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        interrupted = asyncio.all_tasks(self._loop)  # by Ctrl-C; otherwise everything has ended
        for task in interrupted:
            task.cancel()
        if interrupted:
            self._loop.run_until_complete(asyncio.gather(*interrupted, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns. Ctrl-C while it runs cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    @contextmanager
    def within(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """The value of an async context manager, entered and left by one task of the loop."""
        entered: Future[T] = Future()
        leave = asyncio.Event()

        async def life() -> None:
            async with manager as value:
                entered.set_result(value)
                await leave.wait()

        living = asyncio.run_coroutine_threadsafe(life(), self._loop)
        living.add_done_callback(lambda ended: _pass_on(ended, entered))
        try:
            yield entered.result()
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            living.result()


def _pass_on(ended: Future[None], entered: Future[T]) -> None:
    """Whoever still waits to enter is told why that failed."""
    if not entered.done():
        entered.set_exception(ended.exception() or RuntimeError("left before it was entered"))
