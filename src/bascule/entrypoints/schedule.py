"""When services run: loops that work while there is work, and due runs that N processes do once.

A loop is woken by NOTIFY and polls besides; polling is the truth. `Retryable` waits and doubles, but for one
that says what else was done: then the next look is due as usual. `Halted` is said and asked again slowly;
anything else is our own mistake and ends the process.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from bascule.domain.errors import Halted, Retryable
from bascule.domain.retry import Backoff
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import Clock
from bascule.storage import runs
from bascule.storage.database import Database

log = structlog.get_logger()

HALTED_WAIT_S = 5.0  # shorter than a lease, so that a halted worker still leads
STOP_WAIT_S = 5.0
BACKOFF = Backoff(first_s=0.2, longest_s=20.0)


class Worker(Protocol):
    """Something that does what is due and says how much that was."""

    @property
    def name(self) -> str: ...

    async def run_once(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Loop:
    """A worker that always runs. channel: the NOTIFY that wakes it; poll_s: seconds between looks besides.

    busy: says that the worker waits for something it has begun, so that it is asked again at once.
    """

    worker: Worker
    poll_s: float
    channel: str | None = None
    busy: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Due:
    """A worker that runs every `every_s` seconds, once however many processes there are."""

    worker: Worker
    every_s: int


class _Runner:
    """One loop's life; `idle` says that ending it now cuts nothing short."""

    def __init__(self, loop: Loop, db: Database, halted: Counter[str]) -> None:
        self._loop = loop
        self._db = db
        self._halted = halted
        self._failures = 0
        self._waits_for = ""
        self.idle = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, which is looked at between steps; a wait has to be cancelled."""
        while not stop.is_set():
            wait = await self._step()
            if wait == 0:
                await asyncio.sleep(0)
                continue
            self.idle = True
            await self._wait(wait)
            self.idle = False
        self.idle = True

    async def _step(self) -> float:
        """Seconds to wait before the next step; 0 when there may be more to do."""
        name = self._loop.worker.name
        try:
            done = await self._loop.worker.run_once()
        except Retryable as error:
            if error.done is not None:  # the rest of its work is not kept waiting
                return self._after_a_part(error.done, str(error))
            self._failures += 1
            log.warning("worker waits", worker=name, failures=self._failures, reason=str(error))
            return BACKOFF.delay_s(self._failures, random.uniform(-1, 1))  # noqa: S311 - spreads retries
        except Halted as error:
            log.error("worker halted", worker=name, reason=str(error))
            self._halted[name] += 1
            return HALTED_WAIT_S
        if self._failures:
            log.info("worker works again", worker=name, failures=self._failures)
        self._failures, self._waits_for = 0, ""
        return 0 if done or self._loop.busy() else self._loop.poll_s

    def _after_a_part(self, done: int, reason: str) -> float:
        """As after a look at which nothing failed; why a part waits is said once."""
        if reason != self._waits_for:
            log.warning("a part of the work waits", worker=self._loop.worker.name, reason=reason)
        self._failures, self._waits_for = 0, reason
        return 0 if done else self._loop.poll_s

    async def _wait(self, seconds: float) -> None:
        if self._loop.channel is None or self._failures:
            await asyncio.sleep(seconds)
        else:
            await self._db.wait_for(self._loop.channel, seconds)


async def run_all(
    db: Database,
    clock: Clock,
    *,
    loops: Sequence[Loop] = (),
    due: Sequence[Due] = (),
    stop: asyncio.Event,
    failpoints: Failpoints = NO_FAILPOINTS,
    halted: Counter[str] | None = None,
) -> None:
    """Runs all of it until `stop` is set; work at hand is finished. Raises what a worker could not handle.

    halted: counts how often a loop's worker halted, by its name.
    """
    counted = Counter() if halted is None else halted
    runners = [_Runner(loop, db, counted) for loop in loops]
    tasks = [asyncio.create_task(r.run(stop), name=r._loop.worker.name) for r in runners]
    scheduler = _scheduler(db, clock, due, failpoints)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        deadline = asyncio.get_running_loop().time() + STOP_WAIT_S
        while stop.is_set() and not all(r.idle for r in runners):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.01)
    finally:
        if scheduler is not None:
            scheduler.shutdown(wait=False)
        for task in [*tasks, stopped]:
            if not task.done():
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ended:
        if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
            raise end


def _scheduler(db: Database, clock: Clock, due: Sequence[Due], failpoints: Failpoints):  # type: ignore[no-untyped-def]
    """APScheduler with jobs in memory; whether a due run is ours is decided in the database."""
    if not due:
        return None
    from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

    scheduler = AsyncIOScheduler(timezone=UTC)
    for each in due:
        scheduler.add_job(
            claimed(db, clock, each, failpoints), "interval", seconds=each.every_s, coalesce=True,
            max_instances=1, next_run_time=datetime.now(UTC),
        )  # fmt: skip
    scheduler.start()
    return scheduler


def claimed(
    db: Database, clock: Clock, due: Due, failpoints: Failpoints = NO_FAILPOINTS
) -> Callable[[], Awaitable[None]]:
    """The job: claims the run that is due by now and does it, unless another process has claimed it."""

    async def job() -> None:
        now = clock.now().timestamp()
        due_at = datetime.fromtimestamp(now - now % due.every_s, UTC)
        try:
            async with db.transaction() as conn:
                if not await runs.claim(conn, due.worker.name, due_at):
                    return
                failpoints.hit("schedule.before_claim")
            failpoints.hit("schedule.after_claim")
            while await due.worker.run_once():
                pass
            async with db.transaction() as conn:
                await runs.finish(conn, due.worker.name, due_at, at=clock.now())
                failpoints.hit("schedule.before_finish")
            failpoints.hit("schedule.after_finish")
        except (Retryable, Halted) as error:
            log.warning(
                "due run failed", worker=due.worker.name, reason=str(error), error=type(error).__name__
            )

    return job


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; call it inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    return stop
