"""One process tree: children forked from a parent that has everything imported, watched until the end.

The parent has one thread and no event loop, so forking is safe and a child starts in milliseconds. A child
that dies is started again, within a limit; when the parent dies, even by `kill -9`, the kernel ends the
children. Linux only (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.domain.errors import BasculeError
from bascule.entrypoints.failures import UNREACHABLE, exit_code_of, next_step_of

PR_SET_PDEATHSIG = 1  # linux/prctl.h
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
TICK_SECONDS = 0.02
RESTARTS_MAX = 5  # within RESTART_WINDOW_SECONDS; more than that is not bad luck
RESTART_WINDOW_SECONDS = 60.0
STOP_SECONDS = 10.0

# What a child calls when it can do its work; the fields reach the parent's `facts`.
Ready = Callable[[Mapping[str, Any]], None]
Main = Callable[[Ready], int | None]


class ChildFailed(BasculeError):
    """A child ended when it should not have. `code`: 1 failed, 3 something it needs is not there."""

    def __init__(self, message: str, next_step: str, code: int = 1) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.exit_code = code


class Interrupted(BasculeError):
    """Somebody asked us to stop (Ctrl-C or SIGTERM)."""


@dataclass
class Child:
    """One process of the tree, through all its lives."""

    name: str
    main: Main
    restart: bool
    own_output: bool = True
    restarts_max: int = RESTARTS_MAX
    pid: int = 0
    pipe: int = -1
    ready: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    lives: int = 0
    killed: int = 0
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """Starts children in the order asked, keeps them alive, stops them in the opposite order."""

    def __init__(self, logs: Path, *, say: Callable[[str], None]) -> None:
        """`logs`: folder of one file per child; `say` gets one line per death and restart."""
        self._logs = logs
        self._say = say
        self._children: dict[str, Child] = {}
        self._stopping = False

    def __enter__(self) -> Supervisor:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def start(
        self,
        name: str,
        main: Main,
        *,
        restart: bool = True,
        own_output: bool = True,
        planned_deaths: int = 0,
    ) -> Child:
        """Forks a child that runs `main`.

        restart: again when it dies; own_output: into its log; planned_deaths: those do not count as bad luck.
        """
        child = Child(name, main, restart, own_output, RESTARTS_MAX + planned_deaths)
        self._children[name] = child
        self._fork(child)
        return child

    def wait_ready(self, names: Collection[str], *, within: float) -> None:
        """Until each of these has said it is ready. Raises: ChildFailed, Interrupted."""
        self._until(lambda: all(self._children[name].ready for name in names), names, within, "get ready")

    def wait_end(self, name: str, *, within: float) -> None:
        """Until a child that is expected to end has ended well. Raises: ChildFailed, Interrupted."""
        child = self._children[name]
        self._until(lambda: child.status == 0, [name], within, "finish")
        del self._children[name]

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keeps the children alive until somebody interrupts or `until` says so. Raises: ChildFailed."""
        while not until():
            try:
                self._tick(0.5)
            except Interrupted:
                return

    def lives(self) -> dict[str, int]:
        """How often each child was started."""
        return {child.name: child.lives for child in self._children.values()}

    def killed(self) -> dict[str, int]:
        """How often each child was ended by SIGKILL; an end for want of a neighbour does not count."""
        return {child.name: child.killed for child in self._children.values()}

    def pids(self) -> dict[str, int]:
        """The process id of each child that runs."""
        return {child.name: child.pid for child in self._children.values() if child.pid}

    def stop(self) -> None:
        """Ends every child, the last started first: SIGTERM, and SIGKILL for one that does not listen."""
        self._stopping = True
        for child in reversed(self._children.values()):
            self._end(child)

    def _end(self, child: Child) -> None:
        if not child.pid:
            return
        os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while child.pid and time.monotonic() < deadline:
            signal.sigtimedwait((signal.SIGCHLD,), TICK_SECONDS)
            self._reap()
        if child.pid:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.pid = 0

    def _until(self, done: Callable[[], bool], names: Collection[str], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not done():
            self._tick(TICK_SECONDS)
            for child in [self._children[name] for name in names]:
                if (child.status not in (None, 0) and not child.restart) or self._final(child):
                    raise self._failure(child)
            if time.monotonic() > deadline:
                slow = ", ".join(n for n in names if not self._children[n].ready)
                raise ChildFailed(
                    f"{slow} did not {what} within {within:.0f} s", f"read the logs in {self._logs}", 3
                )

    def _tick(self, wait: float) -> None:
        came = signal.sigtimedwait(WATCHED, wait)
        if came is not None and came.si_signo != signal.SIGCHLD:
            raise Interrupted("asked to stop")
        self._listen()
        self._reap()

    def _listen(self) -> None:
        for child in self._children.values():
            while child.pipe >= 0 and (line := _read(child.pipe)) is not None:
                if not line:
                    os.close(child.pipe)
                    child.pipe = -1
                elif "error" in (said := json.loads(line)):
                    child.error = said
                else:
                    child.ready = True
                    child.facts = said

    def _reap(self) -> None:
        for child in list(self._children.values()):
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._listen()
                child.pid = 0
                child.status = os.waitstatus_to_exitcode(status)
                child.killed += child.status == -signal.SIGKILL
                if child.restart and not self._stopping:
                    self._revive(child)

    def _revive(self, child: Child) -> None:
        if self._final(child):
            raise self._failure(child)
        child.error = {}
        now = time.monotonic()
        child.deaths = [t for t in child.deaths if t > now - RESTART_WINDOW_SECONDS] + [now]
        how = _ending(child.status or 0)
        if len(child.deaths) > child.restarts_max:
            raise ChildFailed(
                f"{child.name} ended {how}, the {len(child.deaths)}th time within a minute",
                f"read {self._logs / (child.name + '.log')}",
            )
        self._say(f"{child.name} ended {how}; starting it again")
        self._fork(child)

    def _final(self, child: Child) -> bool:
        """What is missing in a first life is missing for good, unless one of ours starts again beside it."""
        if child.error.get("code") != UNREACHABLE:
            return bool(child.error)
        others = [each for each in self._children.values() if each is not child]
        return child.lives == 1 and all(each.lives == 1 for each in others)

    def _failure(self, child: Child) -> ChildFailed:
        said = child.error
        log = self._logs / f"{child.name}.log"
        what = said.get("error") or f"it ended with {child.status}"
        return ChildFailed(
            f"{child.name}: {what}", said.get("next_step") or f"read {log}", said.get("code", 1)
        )

    def _fork(self, child: Child) -> None:
        assert threading.active_count() == 1, "only a process with one thread may fork"
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        child.lives += 1
        child.ready, child.status = False, None
        parent = os.getpid()
        gc.freeze()  # shared pages stay shared: the child's collector leaves them alone
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _live(child, parent, writing, self._logs / f"{child.name}.log")
        os.close(writing)
        if child.pipe >= 0:
            os.close(child.pipe)
        child.pid, child.pipe = pid, reading


def _ending(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with exit code {status}"


def _live(child: Child, parent: int, writing: int, log: Path) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        if child.own_output:
            _redirect(log)
        code = child.main(lambda facts: _tell(writing, facts)) or 0
    except BasculeError as error:
        code = exit_code_of(error)
        _tell(writing, {"error": str(error), "next_step": next_step_of(error), "code": code})
        traceback.print_exc()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, number in ((empty, 0), (target, 1), (target, 2)):
        os.dup2(source, number)
    os.close(target)
    os.close(empty)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)


def _tell(writing: int, facts: Mapping[str, Any]) -> None:
    os.write(writing, json.dumps(dict(facts)).encode() + b"\n")


def _read(pipe: int) -> str | None:
    """One message, "" at the end of the pipe, None when nothing is there yet. Messages are one write each."""
    try:
        return os.read(pipe, 65536).decode().strip().split("\n")[-1]
    except BlockingIOError:
        return None
