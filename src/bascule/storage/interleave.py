"""Interleaving: while the database works for one part of a task, another part is computed here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")
Begun = TypeVar("Begun")
Done = TypeVar("Done")


async def interleaved(
    begin: Callable[[Part], Awaitable[Begun]], end: Callable[[Begun], Awaitable[Done]], parts: Sequence[Part]
) -> list[Done]:
    """What `end(await begin(part))` returns for each part: begun in this order and ended in this order.

    While one part is ended the next ones are begun, over one connection too: it does one statement after the
    other, as they come. The first error stops both and is raised when both have stopped.
    """
    begun: asyncio.Queue[Begun] = asyncio.Queue(maxsize=1)
    done: list[Done] = []

    async def begin_all() -> None:
        for part in parts:
            await begun.put(await begin(part))

    async def end_all() -> None:
        for _ in parts:
            done.append(await end(await begun.get()))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(begin_all())
            group.create_task(end_all())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return done
