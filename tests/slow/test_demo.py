"""The whole system as a user has it: one command, a whole story, killed at will, nothing lost or twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.oracle import require_sound
from tests.support.secrecy import require_untold

pytestmark = pytest.mark.slow
BASCULE = [sys.executable, "-m", "bascule"]


def environment(**more: str) -> dict[str, str]:
    """As a user's, without a word about bascule but ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
    return kept | more


@contextmanager
def dev(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """`bascule dev` with what its ready line says; ended by SIGTERM unless it has ended before."""
    command = [
        *BASCULE,
        "dev",
        "--json",
        "--port",
        "0",
        "--rpc-port",
        "0",
        "--data-dir",
        str(folder),
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "dev ended before it was ready"
            yield process, json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def demo(folder: Path, *options: str, **more: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, lines and complaints of a whole demo."""
    command = [*BASCULE, "demo", "--json", "--keep", str(folder), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment(**more), check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def require_whole_story(lines: list[dict[str, Any]]) -> None:
    """Every act was played, and each of its steps was checked."""
    done = next(line for line in lines if line["event"] == "done")
    assert done["steps"] >= 30
    acts = {line["act"] for line in lines if line["event"] == "step"}
    assert acts == {
        "webhooks",
        "exact",
        "underpaid",
        "overpaid",
        "late",
        "reorg",
        "payouts",
        "refund",
        "invoice",
        "settlement",
        "reconciliation",
    }


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_demo_checks_every_step_tells_no_secret_and_ends_by_itself(tmp_path: Path) -> None:
    code, lines, complaints = demo(tmp_path / "demo")

    assert code == 0, (complaints, [line for line in lines if line["event"] == "failed"])
    require_whole_story(lines)
    with dev(tmp_path / "demo") as (_, ready):
        found = require_sound(ready)
        require_untold(tmp_path / "demo", ready, {"listen": listened(tmp_path / "demo", ready)})
    assert found.payouts_paid == 6
    assert found.deposits_booked >= 7


def listened(folder: Path, ready: dict[str, Any]) -> str:
    """All that `listen` says until it has forwarded an intent with the secret in it."""
    target = f"{ready['api_url']}/nowhere"
    words = [*BASCULE, "listen", "--forward-to", target, "--events", "payment_intent.created", "--json"]
    with subprocess.Popen(
        words, cwd=folder.parent, env=environment(BASCULE_DATA_DIR=str(folder)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as listening:  # fmt: skip
        assert listening.stdout is not None
        said = listening.stdout.readline()
        assert json.loads(said)["event"] == "ready", said
        made = httpx.post(
            f"{ready['api_url']}/v1/payment_intents", auth=(ready["secret_key"], ""),
            json={"amount": "2.00", "currency": "usdc"}, timeout=30,
        ).json()  # fmt: skip
        assert made["client_secret"]
        told = listening.stdout.readline()
        listening.send_signal(signal.SIGINT)
        after = listening.stdout.read()
    forwarded = json.loads(told)
    assert (forwarded["event"], forwarded["object"], forwarded["status"]) == ("forwarded", made["id"], 404)
    return said + told + after


# Five of the six processes die once in each run of the story. Every place alone: tests/slow/test_kills.py.
KILLS = [
    (
        "api.before_commit=4,watcher.before_commit=3,sequencer.before_commit=4,"
        "submitter.after_reserve=1,signer.after_intent_commit=1"
    ),
    (
        "api.after_commit=9,watcher.after_finalize_commit=5,dispatcher.after_send=9,"
        "submitter.before_final_commit=1,signer.after_bytes_commit=2"
    ),
]


@pytest.mark.parametrize("armed", KILLS)
def test_processes_killed_in_the_middle_lose_and_repeat_nothing(tmp_path: Path, armed: str) -> None:
    code, lines, complaints = demo(tmp_path / "demo", BASCULE_FAILPOINTS=armed)

    assert code == 0, (complaints, [line for line in lines if line["event"] == "failed"])
    ended = next(line for line in lines if line["event"] == "ended")
    assert set(ended["restarts"]) == {"api", "watcher", "worker", "submitter", "signer"}
    with dev(tmp_path / "demo") as (_, ready):
        found = require_sound(ready)
    assert found.payouts_paid == 6
    assert found.deposits_booked >= 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_started_again_is_as_before(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "data"
    with dev(folder) as (process, first):
        tree = children_of(process.pid)
        assert len(tree) == 8, "PostgreSQL, the chain and six processes"
        before = require_sound(first)
        process.send_signal(number)
        code = process.wait(timeout=60)
        assert code == (0 if number != signal.SIGKILL else -9)
        _wait_until_gone(tree)

    with dev(folder) as (_, second):
        changed = {name for name in first if first[name] != second[name]}
        assert changed <= {"api_url", "rpc_url", "metrics"}, "ports are taken anew"
        after = require_sound(second)
    assert after.custody == before.custody
    assert after.height >= before.height


def test_start_cut_short_at_any_moment_is_completed_by_the_next(tmp_path: Path) -> None:
    """Killed after 1, 2, 3 … seconds of the very first start, then started in peace."""
    folder = tmp_path / "data"
    command = [*BASCULE, "dev", "--json", "--port", "0", "--rpc-port", "0", "--data-dir", str(folder)]
    for seconds in (1.0, 2.0, 3.0, 4.0, 5.0):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment()) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL if seconds % 2 else signal.SIGINT)

    with dev(folder) as (_, ready):
        require_sound(ready)


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.05)
