"""Each death of a process has a place of its own, and there is none when the list is at its end."""

import pytest

from bascule.entrypoints.dev.deaths import Deaths
from bascule.entrypoints.wiring import BadConfiguration

ARMED = "watcher.after_commit=2,dispatcher.before_send=1,watcher.before_lease=1,sequencer.after_commit=3"


def test_a_process_dies_at_the_next_place_of_its_list() -> None:
    deaths = Deaths({"BASCULE_FAILPOINTS": ARMED}, 31337)

    assert [deaths.of("watcher", killed=n) for n in (0, 1, 2)] == [
        (("watcher.after_commit", 2),),
        (("watcher.before_lease", 1),),
        (),
    ]
    assert deaths.of("worker", killed=1) == (("sequencer.after_commit", 3),)
    assert [deaths.planned(name) for name in ("watcher", "worker", "signer")] == [2, 2, 0]


def test_nothing_armed_lets_every_life_be() -> None:
    assert Deaths({}, 31337).of("watcher", killed=0) == ()


def test_a_place_nobody_knows_is_refused_before_anything_starts() -> None:
    with pytest.raises(BadConfiguration, match="no failpoint is named"):
        Deaths({"BASCULE_FAILPOINTS": "watcher.somewhere=1"}, 31337)
