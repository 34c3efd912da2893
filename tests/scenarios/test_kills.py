"""Every worker dies on both sides of each of its commits and sends; afterwards all is as if nobody had.

BASCULE_KILLS="first-last" chooses other seeds of the random deaths.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.services.failpoints import BOUNDARIES
from tests.support.kill_scenes import EVERYDAY, SELDOM, SWEEPING, WATCHER_ALONE, WHOLE_PROCESSES, Killed
from tests.support.kill_world import World, kill_world
from tests.support.money_out import OpenAs

FIRST, _, LAST = os.environ.get("BASCULE_KILLS", "1-1").partition("-")
SCENES_MAX = 3


@pytest.fixture
async def world(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[World]:
    async with kill_world(db_as, tmp_path) as built:
        yield built


async def require_survived(world: World, killed: Killed) -> None:
    """Each worker died where it was to, and the oracles found nothing.

    The scene is played again while a death is outstanding: a chain that went on leaves nothing to do again.
    """
    await world.arm(killed.armed)
    for _ in range(SCENES_MAX):
        await killed.scene(world)
        if len(world.points.fired) == len(killed.armed):
            break
    assert sorted(world.points.fired) == sorted(killed.armed), "a kill that did not happen proves nothing"


@pytest.mark.slow
@pytest.mark.parametrize("killed", EVERYDAY, ids=lambda killed: killed.boundaries[0])
async def test_worker_killed_in_everyday_business_loses_and_repeats_nothing(
    world: World, killed: Killed
) -> None:
    await require_survived(world, killed)


@pytest.mark.slow
@pytest.mark.parametrize("killed", SELDOM, ids=lambda killed: killed.boundaries[0])
async def test_worker_killed_where_it_seldom_is_loses_and_repeats_nothing(
    world: World, killed: Killed
) -> None:
    await require_survived(world, killed)


@pytest.mark.slow
@pytest.mark.parametrize("killed", SWEEPING, ids=lambda killed: killed.boundaries[0])
async def test_killed_sweeper_flushes_once_and_loses_nothing(world: World, killed: Killed) -> None:
    await require_survived(world, killed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST or FIRST) + 1))
async def test_workers_killed_by_chance_lose_and_repeat_nothing(world: World, seed: int) -> None:
    """Any two or three deaths, also at later hits, in any scene; they need not all happen."""
    chance = random.Random(seed)
    names = [name for each in (*EVERYDAY, *SELDOM) for name in each.armed]
    for _ in range(2):
        armed = {name: chance.randint(1, 4) for name in chance.sample(names, chance.choice((2, 3)))}
        scene = chance.choice((*EVERYDAY, *SELDOM)).scene
        print(f"{scene.__name__} with {armed}; again: BASCULE_KILLS={seed}")
        await world.arm(armed)
        await scene(world)


def test_every_boundary_is_met_by_some_story_of_kills() -> None:
    met = [boundary for each in (*EVERYDAY, *SELDOM) for boundary in each.boundaries]

    assert sorted([*met, *WATCHER_ALONE, *WHOLE_PROCESSES]) == sorted(
        f"{b.worker}.{b.what}" for b in BOUNDARIES
    )
