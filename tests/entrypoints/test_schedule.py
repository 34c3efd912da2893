"""Loops and due runs: woken, patient with the world, strict with our own mistakes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.domain.retry import Backoff
from bascule.entrypoints import schedule
from bascule.entrypoints.schedule import Due, Loop, claimed, run_all
from bascule.services.seams import SystemClock
from bascule.storage.database import Database

OpenAs = Callable[[str], Awaitable[Database]]


class Script:
    """A worker that plays its lines, then has nothing to do; `played` is set at the last one."""

    name = "script"

    def __init__(self, *lines: int | Exception) -> None:
        self._lines = list(lines)
        self.calls = 0
        self.played = asyncio.Event()

    async def run_once(self) -> int:
        self.calls += 1
        if not self._lines:
            return 0
        line = self._lines.pop(0)
        if not self._lines:
            self.played.set()
        if isinstance(line, Exception):
            raise line
        return line


class StandingClock:
    """Always the same moment."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, 0, 7, tzinfo=UTC)


async def played(db: Database, worker: Script, **loop: object) -> None:
    """Runs the loop until the worker has played all its lines."""
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_all(db, SystemClock(), loops=[Loop(worker, 0.01, **loop)], stop=stop)  # type: ignore[arg-type]
    )
    done, _ = await asyncio.wait(
        [running, asyncio.create_task(worker.played.wait())], timeout=10, return_when=asyncio.FIRST_COMPLETED
    )
    assert done
    stop.set()
    await running


async def test_worker_is_asked_again_at_once_while_there_is_work(db: Database) -> None:
    worker = Script(3, 1, 0)

    await played(db, worker)

    assert worker.calls >= 3


async def test_world_that_is_not_ready_is_asked_again(db: Database) -> None:
    worker = Script(Retryable("no answer"), Retryable("no answer"), 0)

    await played(db, worker)

    assert worker.calls >= 3


async def test_what_a_part_of_the_work_waits_for_keeps_the_rest_waiting_no_longer_than_a_poll(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "BACKOFF", Backoff(first_s=600.0, longest_s=600.0))
    more, nothing_new = Retryable("too few nodes say what is final"), Retryable("nodes differ")
    more.done, nothing_new.done = 3, 0
    worker = Script(more, nothing_new, nothing_new, 0)
    await played(db, worker)


async def test_halted_worker_is_asked_again_slowly(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "HALTED_WAIT_S", 0.02)
    worker = Script(Halted("cannot be true"), 0)

    await played(db, worker)

    assert worker.calls >= 2


async def test_mistake_of_our_own_ends_the_process(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await played(db, Script(ZeroDivisionError("ours"), 0))


async def test_notification_wakes_a_worker_long_before_its_poll(db: Database) -> None:
    worker = Script(0, 0)
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_all(db, SystemClock(), loops=[Loop(worker, 600.0, channel="bascule_test")], stop=stop)
    )
    async with asyncio.timeout(10):
        while not worker.played.is_set():
            async with db.read() as conn:
                await conn.execute("SELECT pg_notify('bascule_test', '')")
            await asyncio.sleep(0.02)
    stop.set()
    await running

    assert worker.calls >= 2


async def test_worker_that_waits_for_what_it_began_is_not_put_to_sleep(db: Database) -> None:
    worker = Script(0, 0, 0)

    async with asyncio.timeout(10):
        await played(db, worker, busy=lambda: True)

    assert worker.calls >= 3


async def test_due_run_is_done_once_by_two_processes(db_as: OpenAs) -> None:
    first, second = await db_as("worker"), await db_as("worker")
    one, two = Script(0), Script(0)

    await asyncio.gather(
        claimed(first, StandingClock(), Due(one, 10))(), claimed(second, StandingClock(), Due(two, 10))()
    )

    assert one.calls + two.calls == 1
    async with first.read() as conn:
        found = await (
            await conn.execute("SELECT name, due_at, finished_at IS NOT NULL FROM runs")
        ).fetchall()
    assert found == [("script", datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC), True)]


async def test_due_run_that_must_wait_is_not_marked_as_finished(db_as: OpenAs) -> None:
    db = await db_as("worker")

    await claimed(db, StandingClock(), Due(Script(Retryable("no node")), 10))()

    async with db.read() as conn:
        found = await (await conn.execute("SELECT finished_at FROM runs")).fetchall()
    assert found == [(None,)]


async def test_due_run_goes_on_until_nothing_is_left(db_as: OpenAs) -> None:
    worker = Script(2, 2, 0)

    await claimed(await db_as("worker"), StandingClock(), Due(worker, 10))()

    assert worker.calls == 3
