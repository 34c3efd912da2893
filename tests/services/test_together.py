"""One question for all who ask it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from bascule.domain.errors import Retryable
from bascule.services.together import Together


async def test_who_asks_while_an_answer_is_sought_waits_for_the_next_with_all_who_came() -> None:
    """An answer may be used for what happened before it was asked for, so it is never older than that."""
    together, begun, ended = Together(), asyncio.Semaphore(0), asyncio.Event()
    looks = iter(range(1, 10))

    async def look() -> int:
        found = next(looks)
        begun.release()
        await ended.wait()
        return found

    first = asyncio.create_task(together.ask("vault", look))
    await begun.acquire()
    later = [asyncio.create_task(together.ask("vault", look)) for _ in range(20)]
    elsewhere = asyncio.create_task(together.ask("another vault", look))
    await begun.acquire()
    ended.set()
    assert (await first, await elsewhere) == (1, 2)
    assert [await each for each in later] == [3] * 20


async def test_what_a_common_look_raised_reaches_each_and_is_not_kept_for_the_next() -> None:
    """Nobody takes a failure for an answer."""
    together, failing = Together(), True

    async def look() -> str:
        if failing:
            raise Retryable("no node answers")
        return "seen"

    told = await asyncio.gather(*(together.ask("vault", look) for _ in range(3)), return_exceptions=True)
    assert [str(each) for each in told] == ["no node answers"] * 3
    failing = False
    assert await together.ask("vault", look) == "seen"


async def test_who_is_cancelled_leaves_the_others_their_answer() -> None:
    """Also when it was the first to ask."""
    together, ended = Together(), asyncio.Event()

    async def look() -> str:
        await ended.wait()
        return "seen"

    first, second = (asyncio.create_task(together.ask("vault", look)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    ended.set()
    assert await second == "seen"
