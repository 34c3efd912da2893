"""Every trigger beside a running installation: the events it promises are told."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.entrypoints.cli import scripting
from tests.slow.test_demo import environment

pytestmark = pytest.mark.slow
BASCULE = str(Path(sys.executable).parent / "bascule")
PATIENCE_S = 60.0


@pytest.fixture
def _dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    dev = subprocess.Popen(
        [BASCULE, "dev", "--port", "0", "--rpc-port", "0", "--json"],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert dev.stdout is not None
        assert json.loads(dev.stdout.readline())["event"] == "ready"
        yield
    finally:
        dev.send_signal(signal.SIGTERM)
        dev.communicate(timeout=30)


@pytest.mark.usefixtures("_dev")
def test_every_trigger_brings_about_the_events_it_promises() -> None:
    scripts: dict[str, list[str]] = {}
    for event, found in scripting.triggers().items():
        if "by" in found:
            scripts.setdefault(found["by"], []).append(event)
    missing: dict[str, set[str]] = {}
    for events in scripts.values():
        found = scripting.triggers()[events[0]]
        with scripting._script(None, None) as script:
            told_to = script.clients[found["told_to"]]
            seen = [each["account_sequence"] for each in told_to.events.list(limit=100)]
            asked = {"after_sequence": max(seen, default=0), "limit": 100}
            for _ in script.play(found["fixtures"]):
                pass
            wanted, deadline = set(events), time.monotonic() + PATIENCE_S
            while wanted and time.monotonic() < deadline:
                time.sleep(0.25)
                wanted -= {each["type"] for each in told_to.events.list(**asked).auto_paging_iter()}
        if wanted:
            missing[found["by"]] = wanted
    done = subprocess.run([BASCULE, "trigger", "payment_intent.canceled"], capture_output=True, text=True,
                          env=environment(), check=False)  # fmt: skip

    assert missing == {}
    assert (done.returncode, "payment_intent.canceled: evt_" in done.stdout) == (0, True), done.stderr
