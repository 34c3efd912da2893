"""Money out lives through random histories; no payout is paid twice, lost, or called what it is not.

BASCULE_HISTORIES="first-last" chooses other seeds; the longer histories are beyond 10.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.money_out import OpenAs, Treasury, treasury
from tests.support.money_out_history import History, moody_node

FIRST, _, LAST = os.environ.get("BASCULE_HISTORIES", "1-2").partition("-")


def seeds() -> range:
    return range(int(FIRST), int(LAST or FIRST) + 1)


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


@pytest.mark.parametrize("seed", seeds())
async def test_random_history_pays_each_payout_at_most_once(stage: Treasury, seed: int) -> None:
    async with moody_node(stage) as node:
        history = History(stage, node, random.Random(seed))
        if seed % 3 == 0:
            history.lanes += (await stage.open_lane(1, 5),)
        try:
            await history.run(30 if seed <= 10 else 40 + seed % 40)
        finally:
            print(*history.told, sep="\n")
