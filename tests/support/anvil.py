"""anvil, a second node to be judged by: pinned in tests/clients, or whatever PATH has; ended by its pid."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.source import TESTS

CLIENTS = TESTS / "clients"
MODULES = CLIENTS / "node_modules"
START_SECONDS = 20.0
INSTALL = "`npm ci --prefix tests/clients` installs it on Linux x64; elsewhere put one on PATH"
BY_INTERVAL = ("--block-time", "1")
SLOTS_IN_AN_EPOCH = 4


def program() -> str:
    """The binary itself, not npm's launcher, which is one process more to end. Skips where there is none."""
    packaged = sorted(MODULES.glob("@foundry-rs/anvil-*/bin/anvil"))
    found = str(packaged[0]) if packaged else shutil.which("anvil")
    if found is None:
        pytest.skip(f"anvil is not installed: {INSTALL}")
    return found


@contextmanager
def anvil(*options: str, epoch: int = SLOTS_IN_AN_EPOCH) -> Iterator[str]:
    """A fresh chain on a free port, gone afterwards; gives its URL.

    options: `*BY_INTERVAL`; without any, each transaction is mined at once in a block of its own.
    epoch: so many blocks `safe` is behind the head, and `finalized` twice as many.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        tags = ("--slots-in-an-epoch", str(epoch))
        command = [program(), "--host", "127.0.0.1", "--port", "0", "--cache-path", folder, *tags, *options]
        with said.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _url(process, said)
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def _url(process: "subprocess.Popen[bytes]", said: Path) -> str:
    """Where it listens, by its own word: it chooses the port itself."""
    deadline = time.monotonic() + START_SECONDS
    while (found := re.search(r"Listening on (\S+)", text := said.read_text(encoding="utf-8"))) is None:
        assert process.poll() is None, f"anvil ended with {process.returncode}: {text}"
        assert time.monotonic() < deadline, f"anvil does not listen: {text}"
        time.sleep(0.02)
    return f"http://{found[1]}"
