"""Report runs, and the files that came of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.report import Format
from bascule.domain.report_run import REPORT_RUN, ReportRunEvent, ReportRunState
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("report_runs")
E = ReportRunEvent
PART = 1 << 20  # bytes; as the table has it


@dataclass(frozen=True, slots=True)
class NewRun:
    """What was asked for. since, until: effective time; requested_by: key_…"""

    id: str
    account_id: str
    livemode: bool
    type: str
    format: Format
    since: datetime
    until: datetime
    requested_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RunRow(NewRun):
    """One run as stored. attempt: who holds an older one may not finish; progress: per cent.

    reach: the newest ledger transaction in it; closed: nothing will join its interval.
    """

    state: ReportRunState
    attempt: int
    leased_until: datetime | None
    reach: int | None
    closed: bool | None
    progress: int
    rows: int | None
    failure: str | None
    finished_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """A finished file. path: below its run's folder; size: bytes; sha256: of them, which go at deleted_at."""

    id: str
    account_id: str
    livemode: bool
    run_id: str
    path: str
    media_type: str
    size: int
    rows: int
    sha256: bytes
    created_at: datetime
    deleted_at: datetime | None = None


async def insert(conn: Connection, new: NewRun) -> RunRow:
    """The run, waiting for a worker."""
    return _run(await Q.one(conn, "insert", **{name: getattr(new, name) for name in NewRun.__slots__}))


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, RunRow]:
    """Several runs by id; those that do not exist are missing."""
    return {row["id"]: _run(row) for row in await Q.all(conn, "of_ids", ids=arrays.texts(ids))}


async def claim(conn: Connection, *, lease_s: float) -> RunRow | None:
    """The next run to be made, ours for so many seconds; None when none waits."""
    row = await Q.maybe(conn, "waiting")
    return None if row is None else await _advance(conn, _run(row), E.BEGIN, lease_s=lease_s)


async def renew(conn: Connection, run: RunRow, *, progress: int, lease_s: float) -> bool:
    """Keeps our run; False when another worker has it now."""
    params = {"id": run.id, "attempt": run.attempt, "progress": progress, "lease_s": lease_s}
    return await Q.run(conn, "renew", **params) == 1


async def finish(
    conn: Connection, run: RunRow, *, reach: int, closed: bool, rows: int, at: datetime
) -> RunRow | None:
    """The run, made; None when another worker has it now."""
    return await _advance(conn, run, E.FINISH, progress=100, reach=reach, closed=closed, rows=rows, at=at)


async def fail(conn: Connection, run: RunRow, *, failure: str, at: datetime) -> RunRow | None:
    """The run, failed; None when another worker has it now."""
    return await _advance(conn, run, E.FAIL, failure=failure, at=at)


async def _advance(
    conn: Connection, run: RunRow, event: ReportRunEvent, *, lease_s: float = 0, progress: int = 0,
    reach: int | None = None, closed: bool | None = None, rows: int | None = None,
    failure: str | None = None, at: datetime | None = None,
) -> RunRow | None:  # fmt: skip
    to = REPORT_RUN.step(run.state, event)
    row = await Q.maybe(
        conn, "advance", id=run.id, attempt=run.attempt, from_=run.state, to=to,
        lease_s=lease_s, progress=progress, reach=reach, closed=closed, rows=rows, failure=failure, at=at,
    )  # fmt: skip
    return None if row is None else _run(row)


async def insert_file(conn: Connection, file: FileRow) -> None:
    """Keeps what is known of a file."""
    names = (name for name in FileRow.__slots__ if name not in ("created_at", "deleted_at"))
    await Q.run(conn, "insert_file", at=file.created_at, **{name: getattr(file, name) for name in names})


async def insert_part(conn: Connection, file_id: str, n: int, content: bytes) -> None:
    """Keeps a piece of a file, at most `PART` bytes; pieces are numbered from 0."""
    await Q.run(conn, "insert_part", file_id=file_id, n=n, content=content)


async def files_of(conn: Connection, run_ids: Iterable[str]) -> dict[str, list[FileRow]]:
    """The files of some runs, by path; a run without any has an empty list."""
    wanted = list(run_ids)
    found: dict[str, list[FileRow]] = {id: [] for id in wanted}
    for row in await Q.all(conn, "files_of", run_ids=arrays.texts(wanted)):
        found[row["run_id"]].append(_file(row))
    return found


async def file(conn: Connection, id: str, account_id: str, livemode: bool) -> FileRow | None:
    """One file of an account."""
    row = await Q.maybe(conn, "file", id=id, account_id=account_id, livemode=livemode)
    return None if row is None else _file(row)


async def end_files(conn: Connection, *, before: datetime, at: datetime, limit: int) -> int:
    """Deletes what the oldest files hold that were made before a moment; how many they were."""
    return int(await Q.scalar(conn, "end_files", before=before, at=at, limit=limit))


async def part(conn: Connection, file_id: str, n: int) -> bytes:
    """One piece of a file."""
    return bytes(await Q.scalar(conn, "part", file_id=file_id, n=n))


def _run(row: Row) -> RunRow:
    return RunRow(**{**row, "state": ReportRunState(row["state"]), "format": Format(row["format"])})


def _file(row: Row) -> FileRow:
    return FileRow(**{**row, "sha256": bytes(row["sha256"])})
