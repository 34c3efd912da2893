"""The set-up of a development installation, while what it needs dies beside it."""

import os
import signal
from pathlib import Path

import pytest

from bascule.domain.errors import Retryable
from bascule.entrypoints.dev.deaths import Deaths
from bascule.entrypoints.dev.installation import Installation
from bascule.entrypoints.dev.supervisor import ChildFailed, Ready, Supervisor
from bascule.entrypoints.dev.tree import _completed
from tests.entrypoints.dev.test_supervisor import alive, sleeper, wait_until


def test_set_up_is_tried_again_when_the_chain_died_beside_it(tmp_path: Path) -> None:
    tried = tmp_path / "tried"

    def lays_the_ground(ready: Ready) -> int:
        if not tried.exists():
            tried.touch()
            os.kill(chain.pid, signal.SIGKILL)
            wait_until(lambda: not alive(chain.pid))
            raise Retryable("no answer from the node")
        ready({"laid": True})
        return 0

    with Supervisor(tmp_path, say=lambda _: None) as tree:
        chain = tree.start("chain", sleeper)
        tree.wait_ready(["chain"], within=10)
        done = _completed(tree, Installation(tmp_path), lays_the_ground, Deaths({}, 31337))
        assert (done.facts, chain.lives) == ({"laid": True}, 2)


def test_set_up_that_misses_what_is_not_ours_says_so_at_once(tmp_path: Path) -> None:
    def lays_the_ground(_ready: Ready) -> int:
        with (tmp_path / "tried").open("a") as tries:
            tries.write("once")
        raise Retryable("no answer from the node")

    with Supervisor(tmp_path, say=lambda _: None) as tree:
        tree.start("postgres", sleeper)
        tree.wait_ready(["postgres"], within=10)
        with pytest.raises(ChildFailed, match="set-up: no answer from the node"):
            _completed(tree, Installation(tmp_path), lays_the_ground, Deaths({}, 31337))

    assert (tmp_path / "tried").read_text() == "once"
