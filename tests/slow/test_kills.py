"""Whole processes killed at every commit and send, one after another and by chance: nothing is lost or twice.

A failing run says by itself what repeats it. BASCULE_KILLS="first-last" chooses other seeds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.services.failpoints import FAILPOINTS
from tests.support import kills

pytestmark = pytest.mark.slow
FIRST, _, LAST = os.environ.get("BASCULE_KILLS", "1-1").partition("-")


@contextmanager
def repeated_by(folder: Path, arguments: str) -> Iterator[None]:
    """Says what repeats a failing run, and where it left its logs."""
    try:
        yield
    except BaseException:
        print(f"again: .venv/bin/python -m tests.support.kills {arguments}\nlogs: {folder / 'logs'}")
        raise


@pytest.mark.parametrize(
    ("armed", "halts"),
    [
        (kills.SET_UP + kills.BUSINESS + kills.HALT, True),
        (kills.SELDOM, False),
        (kills.OFFICE, False),
        (kills.WAITING, False),
    ],
    ids=["business", "seldom", "office", "waiting"],
)
def test_processes_killed_at_each_place_lose_and_repeat_nothing(
    tmp_path: Path, armed: tuple[str, ...], halts: bool
) -> None:
    folder = tmp_path / "data"
    with repeated_by(folder, " ".join(armed)):
        found = kills.kill_at(folder, armed, halts=halts)

    assert found.deposits_booked >= 1


@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST or FIRST) + 1))
def test_processes_killed_by_chance_lose_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    with repeated_by(tmp_path / "data", f"--seed {seed}"):
        found = kills.kill_by_chance(tmp_path / "data", seed)

    assert found.payouts_paid == kills.CHANCE_KILLS


def test_every_failpoint_is_armed_once_alone() -> None:
    armed = [*kills.SET_UP, *kills.BUSINESS, *kills.SELDOM, *kills.OFFICE, *kills.WAITING, *kills.HALT]

    assert sorted([*(each.partition("=")[0] for each in armed), *kills.ONE_NODE]) == sorted(FAILPOINTS)
