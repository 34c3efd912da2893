"""A failpoint kills its process at the hit asked for, and nothing else."""

import subprocess
import sys

import pytest

from bascule.services.failpoints import FAILPOINTS, NO_FAILPOINTS, Failpoints

CHILD = """
from bascule.services.failpoints import Failpoints
points = Failpoints({"watcher.before_commit": 2})
for _ in range(3):
    points.hit("watcher.after_commit")
    points.hit("watcher.before_commit")
    print("passed", flush=True)
"""


def test_process_dies_at_the_second_hit_of_an_armed_name() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (-9, "passed\n")
    assert done.stderr == "failpoint watcher.before_commit\n", "its last word says where it died"


def test_unlisted_name_is_refused_when_hit_or_armed() -> None:
    with pytest.raises(ValueError, match="no failpoint is named"):
        NO_FAILPOINTS.hit("watcher.somewhere")
    with pytest.raises(ValueError, match="no failpoint is named"):
        Failpoints({"watcher.somewhere": 1})


def test_hit_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="first hit is 1"):
        Failpoints({"watcher.before_commit": 0})


def test_nothing_armed_lets_every_listed_name_pass() -> None:
    for name in FAILPOINTS:
        NO_FAILPOINTS.hit(name)
