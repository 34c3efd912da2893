"""The page about one's own token is run as it stands, beside `bascule dev`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slow.test_demo import environment
from tests.slow.test_hands import api, until
from tests.support.source import ROOT

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "testing" / "own-token.md"
RUN = re.compile(r"<!-- run -->\n```bash\n(.*?)```", re.DOTALL)


def test_own_token_page_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = RUN.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    shutil.copy(PAGE.parent / "own_token" / "deploy.py", tmp_path)
    shutil.copy(ROOT / "abi" / "quirks" / "PlainToken.json", tmp_path / "token.json")
    environ = environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with subprocess.Popen(
        ["bascule", "dev", "--port", "0", "--rpc-port", "0", "--json"],
        cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True,
    ) as dev:  # fmt: skip
        try:
            assert dev.stdout is not None
            ready = json.loads(dev.stdout.readline())

            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", "\n".join(blocks) + "\necho intent $INTENT"],
                cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip

            assert done.returncode == 0, done.stdout + done.stderr
            intent = done.stdout.split()[-1]
            paid = until(
                lambda: api(ready, ready["secret_key"], f"/v1/payment_intents/{intent}"), "succeeded"
            )
            assert (paid["currency"], paid["amount_confirmed"]) == ("mine", "12.500000")
        finally:
            dev.send_signal(signal.SIGTERM)
            dev.communicate(timeout=30)
    assert dev.returncode == 0
