"""`bascule demo`: the whole story with real transactions, told by the public surfaces alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bascule.entrypoints.dev.supervisor import Interrupted, Ready
from bascule.entrypoints.dev.tree import Options, Running, running

INTERRUPTED = 130


def run(
    *,
    as_json: bool,
    block_time: float,
    rpc_url: str | None,
    keep: Path | None,
    environ: Mapping[str, str],
    began: float,
) -> int:
    """The exit code: 0 only if every step was checked. Raises as `tree.running` does."""
    folder = keep or Path(tempfile.mkdtemp(prefix="bascule-demo-"))
    options = Options(data_dir=folder, port=0, rpc_port=0, rpc_url=rpc_url, block_time=block_time)
    try:
        with running(options, say=_complain, environ=environ, began=began) as bridge:
            return _tell(bridge, as_json=as_json, began=began)
    except Interrupted:
        return INTERRUPTED
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _tell(bridge: Running, *, as_json: bool, began: float) -> int:
    """The story is a child as all others are: the parent keeps watching over the processes meanwhile."""

    def main(_: Ready) -> int:
        from bascule.entrypoints.demo.story import tell

        told = asyncio.run(
            tell(
                bridge.ready, bridge.installation.config, as_json=as_json, began=began, ready_s=bridge.seconds
            )
        )
        return 0 if told else 1

    story = bridge.tree.start("story", main, restart=False, own_output=False)
    bridge.tree.watch(until=lambda: story.status is not None)
    if story.status is None:
        return INTERRUPTED
    restarts = {name: lives - 1 for name, lives in bridge.tree.lives().items() if lives > 1}
    if as_json:
        sys.stdout.write(json.dumps({"event": "ended", "exit": story.status, "restarts": restarts}) + "\n")
    return story.status


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def elapsed(began: float) -> float:
    """Seconds since the command began."""
    return time.monotonic() - began
