"""A merchant's project that knows only the plugin: in parallel, to its end, and interrupted."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.slow.test_demo import environment
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
CI = ROOT / "docs" / "testing" / "ci"
# What the page about CI has a merchant's runner do last.
WORDS = re.findall(r"- run: (.+)", (CI / "tests.yml").read_text(encoding="utf-8"))[-1].split()
COMMAND = (sys.executable, *WORDS[1:])
TELLS_ITS_FOLDER = """
import time

import pytest


@pytest.fixture(autouse=True)
def told(bridge, bascule_templates):
    with open("told", "a") as file:
        file.write(f"{bascule_templates.folder} {bridge.api_url} {bridge.chain.url}\\n")
"""
LINGERS = (
    TELLS_ITS_FOLDER
    + """
def test_waits_with_a_bridge():
    time.sleep(600)


def test_waits_beside_it():
    time.sleep(600)
"""
)
FAILS = (
    TELLS_ITS_FOLDER
    + """
def test_is_wrong(bridge):
    bridge.create_intent("5")
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the samples in docs/testing."""
    copy = Path(shutil.copytree(ROOT / "docs" / "testing" / "shop", tmp_path / "shop"))
    shutil.copy(ROOT / "docs" / "testing" / "own_token" / "test_own_token.py", copy)
    shutil.copy(ROOT / "abi" / "quirks" / "PlainToken.json", copy / "token.json")
    return copy


@dataclass(frozen=True)
class Told:
    """Where a worker's things are: its folder, and the ports that answered."""

    folder: Path
    ports: tuple[int, ...]


def told(project: Path) -> list[Told]:
    file = project / "told"
    lines = file.read_text().splitlines() if file.exists() else []
    return [
        Told(Path(folder), tuple(int(url.rpartition(":")[2]) for url in urls))
        for folder, *urls in map(str.split, lines)
    ]


def require_nothing_left(project: Path, workers: int) -> None:
    left = told(project)
    assert len(left) == workers
    assert [one.folder for one in left if one.folder.exists()] == []
    assert [working_in(one.folder) for one in left] == [[]] * workers
    for port in (port for one in left for port in one.ports):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def working_in(place: Path) -> list[str]:
    """Processes whose current folder is in `place`: PostgreSQL works in its data."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(place):
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue
    return found


def test_sample_shop_passes_by_the_command_that_ci_runs(project: Path) -> None:
    assert WORDS == ["python", "-m", "pytest", "-n", "2"]
    for needed in (CI / "requirements-test.txt").read_text(encoding="utf-8").split():
        assert distribution(needed.partition("[")[0])

    done = subprocess.run(
        COMMAND, cwd=project, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_failing_test_is_reported_and_leaves_nothing(project: Path) -> None:
    (project / "test_own_token.py").unlink()
    (project / "test_shop.py").write_text(FAILS)

    done = subprocess.run(
        COMMAND, cwd=project, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "400 amount_decimal_point_required" in done.stdout
    require_nothing_left(project, workers=1)


def test_interrupted_run_leaves_no_process_folder_or_port(project: Path) -> None:
    (project / "test_own_token.py").unlink()
    (project / "test_shop.py").write_text(LINGERS)
    run = subprocess.Popen(
        COMMAND, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(told(project)) < 2:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(working_in(one.folder) for one in told(project))

    os.killpg(run.pid, signal.SIGINT)  # Ctrl-C reaches every process of the terminal
    said, _ = run.communicate(timeout=60)

    assert run.returncode != 0, said
    require_nothing_left(project, workers=2)
