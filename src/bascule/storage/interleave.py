"""Interleaving: while the database works for one part of a task, another part is computed here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

Step = Callable[[Any], Awaitable[Any]]
Thing = TypeVar("Thing")
TURN = 40  # things that are computed while nobody else may send a statement


async def interleaved(parts: Sequence[Any], *steps: Step) -> list[Any]:
    """What the last step returns for each part: every step takes what the one before returned, in this order.

    While a part is at one step the next ones are at those before, over one connection too: it does one
    statement after the other, as they come. The first error stops all and is raised when all have stopped.
    """
    between: list[asyncio.Queue[Any]] = [asyncio.Queue(maxsize=1) for _ in steps]
    between[0] = asyncio.Queue()
    done: list[Any] = []
    for part in parts:
        between[0].put_nowait(part)

    async def take(number: int, step: Step) -> None:
        for _ in parts:
            result = await step(await between[number].get())
            if number + 1 < len(steps):
                await between[number + 1].put(result)
                await asyncio.sleep(0)  # the next step's statement goes before that of this step's next part
            else:
                done.append(result)

    await together(*(take(number, step) for number, step in enumerate(steps)))
    return done


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each returns. The first error stops all and is raised when all have stopped."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def in_turns(things: Iterable[Thing]) -> AsyncIterator[Thing]:
    """The things in their order; after some of them whoever waits for the connection has his turn."""
    for number, thing in enumerate(things, 1):
        yield thing
        if number % TURN == 0:
            await asyncio.sleep(0)
