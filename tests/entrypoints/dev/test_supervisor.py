"""A tree of real processes: started, kept alive, stopped, and gone with their parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.domain.errors import Rejected, Retryable
from bascule.entrypoints.dev.deaths import Deaths
from bascule.entrypoints.dev.installation import Installation
from bascule.entrypoints.dev.supervisor import ChildFailed, Ready, Supervisor
from bascule.entrypoints.dev.tree import _completed


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def sleeper(ready: Ready) -> int:
    ready({"port": 7})
    signal.pause()
    return 0


def test_child_tells_its_facts_and_ends_with_the_tree(tmp_path: Path) -> None:
    with Supervisor(tmp_path, say=print) as tree:
        child = tree.start("sleeper", sleeper)
        tree.wait_ready(["sleeper"], within=10)
        pid = child.pid
        assert child.facts == {"port": 7}
        assert alive(pid)

    assert not alive(pid)


def test_killed_child_is_started_again_and_said_so(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, say=said.append) as tree:
        child = tree.start("sleeper", sleeper)
        tree.wait_ready(["sleeper"], within=10)
        first = child.pid
        os.kill(first, signal.SIGKILL)
        tree.watch(until=lambda: child.lives == 2 and child.ready)
        assert child.pid != first

    assert said == ["sleeper ended by signal 9; starting it again"]


def test_child_that_always_dies_ends_the_tree(tmp_path: Path) -> None:
    with Supervisor(tmp_path, say=lambda _: None) as tree:
        tree.start("broken", lambda _ready: 1)
        with pytest.raises(ChildFailed, match="the 6th time within a minute"):
            tree.watch()


def test_planned_deaths_do_not_count_as_bad_luck(tmp_path: Path) -> None:
    with Supervisor(tmp_path, say=lambda _: None) as tree:
        child = tree.start("broken", lambda _ready: 1, planned_deaths=3)
        with pytest.raises(ChildFailed, match="the 9th time within a minute"):
            tree.watch()

    assert child.lives == 9


def test_reason_a_child_gives_reaches_whoever_waits(tmp_path: Path) -> None:
    def refuses(_ready: Ready) -> int:
        raise Rejected("x", "the keystore password is wrong", next_step="set the right one")

    with Supervisor(tmp_path, say=print) as tree:
        tree.start("signer", refuses)
        with pytest.raises(ChildFailed, match="signer: the keystore password is wrong") as caught:
            tree.wait_ready(["signer"], within=10)

    assert caught.value.next_step == "set the right one"


def test_child_whose_neighbour_starts_again_beside_it_is_started_again(tmp_path: Path) -> None:
    def needs_another(ready: Ready) -> int:
        if tree.lives()["services"] == 2:
            raise Retryable("no answer from the node")
        return sleeper(ready)

    said: list[str] = []
    with Supervisor(tmp_path, say=said.append) as tree:
        child = tree.start("services", needs_another)
        tree.wait_ready(["services"], within=10)
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: not alive(child.pid))
        tree.wait_ready(["services"], within=10)
        tree.watch(until=lambda: child.lives == 3 and child.ready)
        assert tree.killed() == {"services": 1}, "the place where it was to die next is still to come"

    assert said == [
        "services ended by signal 9; starting it again",
        "services ended with exit code 3; starting it again",
    ]


def test_child_whose_neighbour_died_while_it_first_started_is_started_again(tmp_path: Path) -> None:
    def needs_the_chain(ready: Ready) -> int:
        if tree.lives()["watcher"] == 1:
            os.kill(chain.pid, signal.SIGKILL)
            wait_until(lambda: not alive(chain.pid))
            raise Retryable("no answer from the node")
        return sleeper(ready)

    with Supervisor(tmp_path, say=lambda _: None) as tree:
        chain = tree.start("chain", sleeper)
        tree.wait_ready(["chain"], within=10)
        child = tree.start("watcher", needs_the_chain)
        tree.wait_ready(["watcher"], within=10)
        assert (child.lives, chain.lives) == (2, 2)


def test_child_that_misses_what_is_not_ours_is_not_started_again(tmp_path: Path) -> None:
    def needs_the_chain(_ready: Ready) -> int:
        raise Retryable("no answer from the node")

    with Supervisor(tmp_path, say=lambda _: None) as tree:
        tree.start("postgres", sleeper)
        child = tree.start("watcher", needs_the_chain)
        with pytest.raises(ChildFailed, match="watcher: no answer from the node") as caught:
            tree.wait_ready(["watcher"], within=10)
        assert (caught.value.exit_code, child.lives) == (3, 1)


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


def test_child_that_ends_well_is_waited_for(tmp_path: Path) -> None:
    with Supervisor(tmp_path, say=print) as tree:
        tree.start("once", lambda _ready: 0, restart=False)
        tree.wait_end("once", within=10)
        tree.start("crash", lambda _ready: 4, restart=False)
        with pytest.raises(ChildFailed, match="crash: it ended with 4"):
            tree.wait_end("crash", within=10)


def test_output_of_a_child_stands_in_its_log(tmp_path: Path) -> None:
    def talks(_ready: Ready) -> int:
        print("to stdout", flush=True)
        os.write(2, b"to stderr\n")
        return 0

    with Supervisor(tmp_path, say=print) as tree:
        tree.start("talker", talks, restart=False)
        tree.wait_end("talker", within=10)

    assert (tmp_path / "talker.log").read_text() == "to stdout\nto stderr\n"


TREE = """
import signal, sys
from pathlib import Path
from bascule.entrypoints.dev.supervisor import Supervisor
def sleeper(ready):
    ready({})
    if sys.argv[2] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
with Supervisor(Path(sys.argv[1]), say=print) as tree:
    child = tree.start("sleeper", sleeper)
    tree.wait_ready(["sleeper"], within=10)
    print(child.pid, flush=True)
    tree.watch()
print("stopped", flush=True)
"""


def run_tree(folder: Path, kind: str) -> tuple["subprocess.Popen[str]", int]:
    tree = subprocess.Popen(
        [sys.executable, "-c", TREE, str(folder), kind], stdout=subprocess.PIPE, text=True
    )
    assert tree.stdout is not None
    return tree, int(tree.stdout.readline())


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    tree, child = run_tree(tmp_path, "deaf")
    with tree:
        tree.kill()

    wait_until(lambda: not alive(child))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_tree_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    tree, child = run_tree(tmp_path, "polite")
    with tree:
        tree.send_signal(number)
        out, _ = tree.communicate(timeout=20)

    assert (tree.returncode, out) == (0, "stopped\n")
    assert not alive(child)
