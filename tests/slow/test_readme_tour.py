"""The README's tour is run as it stands."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.slow

TOUR = re.compile(r"<!-- tour -->\n```bash\n(.*?)```", re.DOTALL)


def test_readme_tour_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = TOUR.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    bin_folder = Path(sys.executable).parent
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(bin_folder)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("BASCULE_")}
    dev = subprocess.Popen(
        [str(bin_folder / "bascule"), "dev", "--port", "0", "--rpc-port", "0", "--json"],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert dev.stdout is not None
        assert json.loads(dev.stdout.readline())["event"] == "ready"

        done = subprocess.run(
            [shutil.which("bash") or "/bin/bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout + done.stderr
        assert "The intent has succeeded" in done.stdout
        assert "The payout is paid" in done.stdout
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.communicate(timeout=30)
    assert dev.returncode == 0
