"""What fails keeps nothing else from its turn, and is said at the end."""

from __future__ import annotations

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.services import turns


async def test_everybody_has_a_turn_and_the_first_failure_is_raised_after_the_last() -> None:
    had: list[int] = []

    async def step(number: int) -> bool:
        had.append(number)
        if number == 2:
            raise ValueError("a mistake")
        return number != 3

    assert await turns.each("turn", [1, 3, 4], step) == 2
    with pytest.raises(Halted, match="1 of 3 turns fail"):
        await turns.each("turn", [1, 2, 3], step)
    assert had == [1, 3, 4, 1, 2, 3]


async def test_what_was_foreseen_is_raised_as_it_is() -> None:
    async def step(number: int) -> bool:
        raise Retryable(f"not yet {number}")

    with pytest.raises(Retryable, match="not yet 1"):
        await turns.each("turn", [1, 2], step)
