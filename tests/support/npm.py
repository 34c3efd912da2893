"""Programs from npm, each with its own lock under tests/thirdparty/npm, installed outside the checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.source import TESTS

PACKAGES = TESTS / "thirdparty" / "npm"
INSTALL_S = 300


def install(name: str, folder: Path) -> Path:
    """`tests/thirdparty/npm/<name>` copied into `folder` with what its lock pins. Skips where npm cannot."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("node is not installed")
    place = folder / name
    shutil.copytree(PACKAGES / name, place)
    done = subprocess.run(
        [npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=place, capture_output=True, text=True, timeout=INSTALL_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {name}: {done.stderr.strip()[-200:]}")
    return place


def run(script: Path, given: str = "", *arguments: str) -> str:
    """What a script says under node, with `given` on its standard input. Fails when it does."""
    node = shutil.which("node")
    assert node is not None, "npm was there to install it"
    done = subprocess.run(
        [node, str(script), *arguments],
        input=given, cwd=script.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
