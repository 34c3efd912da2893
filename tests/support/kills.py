"""Kills whole processes of a running `bascule dev` at named places or by chance, then judges what is left.

`python -m tests.support.kills submitter.after_save=2 api.before_commit` dies there;
`python -m tests.support.kills --seed 7` kills at random: the same seed, the same victims and pauses.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from bascule.services.failpoints import BOUNDARIES, process_of
from tests.support.kill_acts import ACTS
from tests.support.kill_driver import Driver, inbox, until
from tests.support.oracle import Sound, require_events_told, require_sound

COMMAND = [sys.executable, "-m", "bascule", "dev", "--json", "--port", "0", "--rpc-port", "0"]
BLOCK_TIME = "0.3"
PROCESSES = ("chain", "signer", "api", "watcher", "submitter", "services", "worker")
STUCK_S = 120.0  # without one more death; how long a whole list takes is the machine's affair
CHANCE_KILLS = 10
BOUNDARY_OF = {name: f"{b.worker}.{b.what}" for b in BOUNDARIES for name in b.names}


def _both(*boundaries: str) -> tuple[str, ...]:
    names = {f"{b.worker}.{b.what}": b.names for b in BOUNDARIES}
    return tuple(name for boundary in boundaries for name in names[boundary])


# Each process dies at the names of its list one after another, each in a life of its own.
BUSINESS = _both(
    "api.commit", "api.response",
    "watcher.start", "watcher.lease", "watcher.sighting",
    "watcher.commit", "watcher.proof", "watcher.finalize_commit",
    "signer.intent_commit", "signer.bytes_commit",
    "planner.request", "sequencer.commit", "dispatcher.claim", "dispatcher.send", "dispatcher.settle",
    "submitter.lease", "submitter.reserve", "submitter.sign", "submitter.save", "submitter.send",
)  # fmt: skip
SELDOM = (
    *_both(
        "submitter.offered", "submitter.observe", "submitter.final_commit",
        "watcher.early", "watcher.opening", "watcher.reorg", "signer.refusal",
        "claim.commit", "refunder.step", "settler.schedule", "settler.step",
        "anchor.reserve", "presenter.reserve", "presenter.outcome", "presenter.wait",
    ),
    "chain.before_append=100", "chain.after_append=30",  # blocks after the set-up
)  # fmt: skip
OFFICE = _both(
    "biller.remind", "biller.month", "expirer.expire", "expirer.close", "expirer.pass",
    "schedule.claim", "schedule.finish", "reconciler.compare", "reporter.claim", "reporter.finish",
    "anchor_planner.request", "facilitator.commit",
)  # fmt: skip
WAITING = _both(
    "submitter.quote", "submitter.refusal", "submitter.wait", "submitter.round", "submitter.gas",
    "submitter.bump", "submitter.wallet", "submitter.float", "canceller.reserve",
)  # fmt: skip
HALT = _both("watcher.halt")
# On a node that is not ours: where its pool, its blocks and its finality decide what the next life finds.
OTHER_NODE = _both(
    "signer.intent_commit", "signer.bytes_commit",
    "submitter.save", "submitter.send", "submitter.observe", "submitter.final_commit",
    "watcher.commit", "watcher.finalize_commit",
)  # fmt: skip
# `bascule dev` has one node, which nothing contradicts and which never shows again what it replaced:
# tests/scenarios/test_money_in_nodes.py, tests/scenarios/test_money_in_halts.py.
ONE_NODE = _both("watcher.disagreements", "watcher.resume")
# In the order of the set-up, so that each try finds something left to do.
SET_UP = (
    "setup.before_write", "setup.after_write=2", "setup.before_send", "setup.after_send=3",
    "setup.before_commit", "setup.after_commit", "setup.before_keys", "setup.after_keys",
)  # fmt: skip


@contextmanager
def dev(
    folder: Path, armed: Sequence[str] = (), rpc_url: str | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """`bascule dev` with its process id and what its ready line says; ended by SIGTERM.

    rpc_url: of another node than its own.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
    if armed:
        environ["BASCULE_FAILPOINTS"] = ",".join(armed)
    command = [*COMMAND, "--block-time", BLOCK_TIME, "--data-dir", str(folder)]
    command += [] if rpc_url is None else ["--rpc-url", rpc_url]
    with (
        (folder.parent / "dev.err").open("ab") as complaints,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, env=environ
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, f"not ready: {(folder.parent / 'dev.err').read_text(encoding='utf-8')[-800:]}"
            yield process.pid, json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def fired(folder: Path) -> list[str]:
    """The last words of those who died at a failpoint, by the logs."""
    return [
        line.removeprefix("failpoint ")
        for log in sorted((folder / "logs").glob("*.log"))
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("failpoint ")
    ]


def kill_at(folder: Path, armed: Sequence[str], *, halts: bool = False, rpc_url: str | None = None) -> Sound:
    """Business goes on until every armed name has killed its process; then all is judged.

    halts: the last act replaces final blocks, and the watcher is to die while it halts the chain;
    rpc_url: as of `dev`.
    """
    names = [each.partition("=")[0] for each in armed]
    final = [name for name in names if name in HALT] if halts else []
    wanted = [name for name in names if name not in final]
    with dev(folder, armed, rpc_url) as (_, ready), inbox() as (url, got):
        driver = Driver(ready)
        driver.begin(url)
        driver.everyday()
        _play(driver, folder, wanted)
        found = judged(driver, got)
        if final:
            _halt(driver, folder, final)
    assert sorted(fired(folder)) == sorted(names), "a kill that did not happen proves nothing"
    return found


def _play(driver: Driver, folder: Path, wanted: Sequence[str]) -> None:
    """What has not fired yet decides what is done next; a special act as soon as its name is the next."""
    deadline = time.monotonic() + STUCK_S
    while left := _left(folder, wanted):
        assert time.monotonic() < deadline, f"nobody died for {STUCK_S:.0f} s: {left}"
        before = len(fired(folder))
        driver.everyday()
        for boundary in dict.fromkeys(BOUNDARY_OF[name] for name in _next_ones(left)):
            if boundary in ACTS:
                now = len(fired(folder))
                ACTS[boundary](driver, lambda now=now: len(fired(folder)) > now)  # type: ignore[misc]
        if len(fired(folder)) > before:
            driver.leases_run_out()
            deadline = time.monotonic() + STUCK_S


def _left(folder: Path, wanted: Sequence[str]) -> list[str]:
    done = fired(folder)
    return [name for name in wanted if name not in done]


def _next_ones(left: Sequence[str]) -> list[str]:
    """The first outstanding name of each process."""
    first: dict[str, str] = {}
    for name in left:
        first.setdefault(process_of(name), name)
    return list(first.values())


def _halt(driver: Driver, folder: Path, final: Sequence[str]) -> None:
    driver.rpc("bascule_reorg", {"depth": "0x14", "drop": []})
    until(lambda: _left(folder, final) == [], f"{final}")
    halted = "SELECT 1 FROM cursors WHERE halted_reason IS NOT NULL"
    until(lambda: driver.sql(halted) != [], "the chain to be halted")


def judged(driver: Driver, got: Mapping[str, set[bytes]]) -> Sound:
    """Everything comes to rest, and the oracles judge it."""
    driver.leases_run_out()
    driver.rest()
    found = require_sound(driver.ready)
    driver.rest()
    with psycopg.connect(driver.ready["database_url"], autocommit=True) as conn:
        require_events_told(conn, got)
    assert found.payouts_paid == len(driver.payouts)
    return found


def kill_by_chance(folder: Path, seed: int) -> Sound:
    """SIGKILL of any process at any time, also of PostgreSQL's own; leases run out by themselves."""
    chance = random.Random(seed)
    victims = chance.sample([*PROCESSES, *PROCESSES, "postgres", "postmaster"], CHANCE_KILLS)
    pauses = [chance.uniform(0.1, 1.5) for _ in victims]
    with dev(folder) as (pid, ready), inbox() as (url, got):
        driver = Driver(ready)
        driver.begin(url)
        for victim, pause in zip(victims, pauses, strict=True):
            driver.everyday()
            time.sleep(pause)
            until(lambda v=victim: _kill(folder, pid, v), f"{victim} to be there")  # type: ignore[misc]
        return judged(driver, got)


def _kill(folder: Path, parent: int, victim: str) -> bool:
    """Whether a process of that name was there to be killed."""
    if victim == "postmaster":
        with suppress(OSError, ValueError, ProcessLookupError):
            pid = int((folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            return True
        return False
    for pid in pid_of(folder, parent, victim):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def pid_of(folder: Path, parent: int, victim: str) -> list[int]:
    """The process of that name among the children of `bascule dev`; none while it is dead."""
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):
            if Path(os.readlink(f"/proc/{child}/fd/1")) == folder / "logs" / f"{victim}.log":
                found.append(int(child))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("armed", nargs="*", metavar="NAME[=HIT]", help="where processes die")
    parser.add_argument("--seed", type=int, help="random kills by this seed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bascule-kills-") as parent:
        folder = Path(parent) / "data"
        if given.seed is not None:
            found = kill_by_chance(folder, given.seed)
        else:
            halts = any(each.partition("=")[0] in HALT for each in given.armed)
            found = kill_at(folder, given.armed, halts=halts)
        print(found, *fired(folder), sep="\n")


if __name__ == "__main__":
    main()
