"""Parts of one task in turns: in order, at once, and together when one fails."""

import asyncio

import pytest

from bascule.storage.interleave import interleaved, together


async def test_the_next_part_is_begun_before_one_is_ended_and_their_order_stays() -> None:
    said: list[str] = []
    begun_next = asyncio.Event()

    async def begin(part: int) -> int:
        said.append(f"begin {part}")
        if part == 1:
            begun_next.set()
        return part

    async def end(part: int) -> int:
        await asyncio.wait_for(begun_next.wait(), 30)
        said.append(f"end {part}")
        return part * 10

    assert await interleaved(range(5), begin, end) == [0, 10, 20, 30, 40]
    assert [word for word in said if word.startswith("end")] == [f"end {part}" for part in range(5)]
    assert [word for word in said if word.startswith("begin")] == [f"begin {part}" for part in range(5)]


async def test_the_first_error_ends_all_and_is_raised_as_it_is() -> None:
    stopped: list[int] = []

    async def begin(part: int) -> int:
        if part == 1:
            raise ValueError("the second part")
        return part

    async def end(part: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(part)
        return part

    with pytest.raises(ValueError, match="the second part"):
        await interleaved(range(3), begin, end)
    assert stopped == [0]


async def test_what_is_done_together_is_answered_in_the_order_asked_though_the_second_ends_first() -> None:
    ended = asyncio.Event()

    async def writing() -> str:
        await asyncio.wait_for(ended.wait(), 5)
        return "written"

    async def spelling() -> str:
        ended.set()
        return "spelled"

    assert await together(writing(), spelling()) == ["written", "spelled"]


async def test_what_is_refused_stops_what_is_done_together_with_it() -> None:
    stopped = asyncio.Event()

    async def writing() -> None:
        await asyncio.sleep(0)
        raise ValueError("not as it was read")

    async def spelling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(ValueError, match="not as it was read"):
        await together(writing(), spelling())
    assert stopped.is_set()
