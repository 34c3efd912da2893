"""Makes a report: the same type, interval and reach are the same bytes, whoever asks and whenever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bascule.domain.errors import Retryable
from bascule.domain.report import Format, Interval, ReportType
from bascule.services.report_files import MadeFile, writer
from bascule.storage import reports, seals
from bascule.storage.database import Database
from bascule.storage.reports import Source

STRETCH = 20_000  # ledger transactions in one statement
BLOCK = 1 << 20
PATIENCE = 60  # looks for a moment at which nobody posts, a second apart

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report to be made. accounts: the general ledger's (number, name) by code of ours or its beginning."""

    type: ReportType
    format: Format
    account_id: str
    livemode: bool
    interval: Interval
    accounts: Mapping[str, tuple[str, str]]


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
    files = writer(wanted.type, wanted.format, folder)
    step = max(reach - bounds.after, 1) if wanted.type.whole else STRETCH
    for after in range(bounds.after, max(reach, bounds.after + 1), step):
        upto = min(after + step, reach)
        source = Source(wanted.account_id, wanted.livemode, since, until, after, upto, bounds.base, gl)
        await _stretch(db, wanted, source, files.write)
        progress(100 * (upto - bounds.after) // max(reach - bounds.after, 1))
    return Made(reach, bounds.closed, files.finish())


async def _booked(db: Database) -> int:
    """Up to where nothing is under way; who posts for long is waited for. Raises: Retryable at last."""
    for _ in range(PATIENCE - 1):
        with suppress(Retryable):
            async with db.transaction() as conn:
                return await seals.settled(conn, "ledger")
        await asyncio.sleep(1)
    async with db.transaction() as conn:
        return await seals.settled(conn, "ledger")


async def _stretch(db: Database, wanted: Wanted, source: Source, write: Callable[[bytes, int], None]) -> None:
    """The lines of one stretch, written when a mebibyte of them is there."""
    lines = Format.JSONL if wanted.format is Format.JSONL else Format.CSV
    pending, rows = bytearray(), 0
    async with db.transaction() as conn:
        found = reports.lines(conn, wanted.type.name, source, lines, guarded=wanted.format is Format.CSV)
        async for line in found:
            pending += line
            rows += 1
            if len(pending) >= BLOCK:
                write(bytes(pending), rows)
                pending, rows = bytearray(), 0
    if rows:
        write(bytes(pending), rows)
