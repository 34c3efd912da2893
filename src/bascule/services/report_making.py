"""Makes a report: the same type, interval and reach are the same bytes, whoever asks and whenever."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bascule.domain.errors import Retryable
from bascule.domain.report import Format, Interval, ReportType, Threshold
from bascule.services.report_files import MadeFile, Writer, writer
from bascule.storage import reports, seals
from bascule.storage.database import Database
from bascule.storage.reports import Source

STRETCH = 20_000  # ledger transactions in one statement
AT_ONCE = 2  # stretches being read, each by a connection
BLOCK = 1 << 20
BLOCKS_AHEAD = 16  # of each stretch; one of 20,000 activity rows has 7 to 11
PATIENCE = 60  # looks for a moment at which nobody posts, a second apart

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report to be made. accounts: the general ledger's (number, name) by code of ours or its beginning.

    thresholds: of jurisdictions, for the report of that name.
    """

    type: ReportType
    format: Format
    account_id: str
    livemode: bool
    interval: Interval
    accounts: Mapping[str, tuple[str, str]]
    thresholds: Sequence[Threshold] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A finished report. reach: its newest ledger transaction; closed: nothing will join its interval."""

    reach: int
    closed: bool
    files: list[MadeFile]


async def make(
    db: Database,
    wanted: Wanted,
    folder: Path,
    *,
    reach: int | None = None,
    progress: Progress = lambda _: None,
) -> Made:
    """Writes the report's files into an empty folder. progress: is told per cent.

    reach: as an earlier run had it; by default all that is booked.
    """
    if reach is None:
        reach = await _booked(db)
    since, until = wanted.interval.since, wanted.interval.until
    async with db.read() as conn:
        bounds = await reports.bounds(conn, since, until, reach=reach)
    gl = json.dumps([{"code": c, "number": n, "name": name} for c, (n, name) in wanted.accounts.items()])
    rules = json.dumps([asdict(each) for each in wanted.thresholds])
    step = max(reach - bounds.after, 1) if wanted.type.whole else STRETCH
    reading: deque[_Ahead] = deque()
    with closing(writer(wanted.type, wanted.format, folder)) as files, ThreadPoolExecutor(1) as thread:
        behind = _Behind(files, thread)
        try:
            for after in range(bounds.after, max(reach, bounds.after + 1), step):
                upto = min(after + step, reach)
                source = Source(
                    wanted.account_id, wanted.livemode, since, until, after, upto, bounds.base, gl, rules
                )
                reading.append(_Ahead(db, wanted, source))
                while reading and (len(reading) == AT_ONCE or upto == reach):
                    await reading[0].write_to(behind)
                    done = reading.popleft().upto
                    progress(100 * (done - bounds.after) // max(reach - bounds.after, 1))
            await behind.done()
        finally:
            for each in reading:
                await each.stop()
        return Made(reach, bounds.closed, files.finish())


class _Ahead:
    """A stretch that is read while the one before it is written: a few blocks of it are in memory."""

    def __init__(self, db: Database, wanted: Wanted, source: Source) -> None:
        self.upto = source.upto
        self._blocks: asyncio.Queue[tuple[bytes, int] | None] = asyncio.Queue(BLOCKS_AHEAD)
        self._task = asyncio.create_task(self._read(db, wanted, source))

    async def write_to(self, behind: _Behind) -> None:
        """All of it, in order. Raises: what reading it did."""
        while (block := await self._blocks.get()) is not None:
            await behind.write(*block)
        await self._task

    async def stop(self) -> None:
        """Nobody wants the rest."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self, db: Database, wanted: Wanted, source: Source) -> None:
        try:
            await _stretch(db, wanted, source, self._blocks)
        except Exception:
            await self._blocks.put(None)
            raise
        await self._blocks.put(None)


class _Behind:
    """Writes a block in a thread while the next one is read: two are in memory, in order."""

    def __init__(self, files: Writer, thread: ThreadPoolExecutor) -> None:
        self._files = files
        self._thread = thread
        self._writing: asyncio.Future[None] | None = None

    async def write(self, block: bytes, rows: int) -> None:
        await self.done()
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._thread, self._files.write, block, rows)

    async def done(self) -> None:
        if self._writing is not None:
            await self._writing


async def _booked(db: Database) -> int:
    """Up to where nothing is under way; who posts for long is waited for. Raises: Retryable at last."""
    for _ in range(PATIENCE - 1):
        with suppress(Retryable):
            async with db.transaction() as conn:
                return await seals.settled(conn, "ledger")
        await asyncio.sleep(1)
    async with db.transaction() as conn:
        return await seals.settled(conn, "ledger")


async def _stretch(
    db: Database, wanted: Wanted, source: Source, blocks: asyncio.Queue[tuple[bytes, int] | None]
) -> None:
    """The lines of one stretch, in blocks of a mebibyte, each with how many they are."""
    lines = Format.JSONL if wanted.format is Format.JSONL else Format.CSV
    pending, rows = bytearray(), 0
    async with db.transaction() as conn:
        found = reports.lines(conn, wanted.type.name, source, lines, guarded=wanted.format is Format.CSV)
        async for line in found:
            pending += line
            rows += 1
            if len(pending) >= BLOCK:
                await blocks.put((bytes(pending), rows))
                pending, rows = bytearray(), 0
    if rows:
        await blocks.put((bytes(pending), rows))
