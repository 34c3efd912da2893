"""The built wheel, installed far from the repository, is the whole product."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow.test_demo import environment
from tests.support.oracle import require_sound
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_installed_wheel_runs_the_whole_system_elsewhere(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), cwd=ROOT)
    [wheel] = tmp_path.glob("*.whl")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", str(elsewhere / "venv"), cwd=elsewhere)
    python = str(elsewhere / "venv" / "bin" / "python")
    uv = str(BIN / "uv")
    requirements = str(ROOT / "requirements.txt")
    run(uv, "pip", "sync", "-q", "--python", python, "--require-hashes", requirements, cwd=elsewhere)
    run(uv, "pip", "install", "-q", "--python", python, "--no-deps", str(wheel), cwd=elsewhere)
    place = run(python, "-c", "import bascule; print(bascule.__file__)", cwd=elsewhere)
    assert str(elsewhere) in place

    command = [str(elsewhere / "venv" / "bin" / "bascule"), "dev", "--json", "--port", "0", "--rpc-port", "0"]
    with subprocess.Popen(
        command, cwd=elsewhere, stdout=subprocess.PIPE, text=True, env=environment(PATH=os.defpath)
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        found = require_sound(ready)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)

    assert process.returncode == 0
    assert found.custody == 1_000_000 * 10**6
    assert (elsewhere / ".bascule" / "bascule.toml").exists()
