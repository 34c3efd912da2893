"""Report runs: asked for, shown, told. Each use-case runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain.errors import Forbidden, NotFound
from bascule.domain.ids import Prefix
from bascule.domain.report import TYPES, Format, Interval, of_name
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import accounts, report_runs
from bascule.storage.database import Connection, Database
from bascule.storage.report_runs import PART, FileRow, NewRun, RunRow


@dataclass(frozen=True)
class ReportRuns:
    """Use-cases on report runs."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox

    async def create(
        self, conn: Connection, *, account_id: str, livemode: bool, type: str, format: Format,
        interval: Interval, requested_by: str,
    ) -> dict[str, Any]:  # fmt: skip
        """A run that a worker will make. Raises: Rejected, Forbidden `operator_only`."""
        wanted = of_name(type)
        operator = await accounts.operator(conn)
        if wanted.operator_only and (operator is None or operator.id != account_id):
            raise Forbidden("operator_only", f"The {wanted.name} is the operator's.")
        new = NewRun(
            id=new_id(Prefix.REPORT, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            type=wanted.name,
            format=format,
            since=interval.since,
            until=interval.until,
            requested_by=requested_by,
            created_at=self.clock.now(),
        )
        return describe(await report_runs.insert(conn, new), [])

    async def tell(self, conn: Connection, run: RunRow, type: EventType) -> None:
        """Says in the caller's transaction what became of a run."""
        [shown] = await describe_many(conn, [run.id])
        await self.outbox.append(
            conn,
            account_id=run.account_id,
            livemode=run.livemode,
            type=type,
            object_id=run.id,
            object_version=run.version,
            object=shown,
        )


async def describe_many(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Runs as the API shows them, in the order asked for."""
    runs, files = await report_runs.of_ids(conn, ids), await report_runs.files_of(conn, ids)
    return [describe(runs[id], files[id]) for id in ids]


async def own(conn: Connection, id: str, account_id: str, livemode: bool) -> dict[str, Any]:
    """A run of the caller's. Raises: NotFound."""
    run = (await report_runs.of_ids(conn, [id])).get(id)
    if run is None or (run.account_id, run.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such report run: {id!r:.70}.", param="id")
    return describe(run, (await report_runs.files_of(conn, [id]))[id])


async def own_file(conn: Connection, id: str, account_id: str, livemode: bool) -> FileRow:
    """A file of the caller's. Raises: NotFound."""
    found = await report_runs.file(conn, id, account_id, livemode)
    if found is None:
        raise NotFound("resource_missing", f"No such file: {id!r:.70}.", param="id")
    return found


def require_kept(file: FileRow) -> None:
    """Raises: NotFound `file_deleted` once its time is over."""
    if file.deleted_at is not None:
        raise NotFound(
            "file_deleted",
            f"What the file held was deleted on {file.deleted_at:%Y-%m-%d}; its digest is still known.",
            param="id",
            next_step="Ask for the report anew: over a closed period it has the same bytes.",
        )


async def content(db: Database, file: FileRow) -> AsyncIterator[bytes]:
    """A file's bytes, piece by piece; no connection is held while somebody reads slowly."""
    for n in range(-(-file.size // PART)):
        async with db.read() as conn:
            piece = await report_runs.part(conn, file.id, n)
        yield piece


def types() -> list[dict[str, Any]]:
    """Every report there is."""
    return [
        {
            "id": each.name,
            "object": "reporting.report_type",
            "grain": each.grain,
            "operator_only": each.operator_only,
            "columns": [{"name": column.name, "type": str(column.kind)} for column in each.columns],
        }
        for each in TYPES
    ]


def describe(run: RunRow, files: Sequence[FileRow]) -> dict[str, Any]:
    """The object."""
    return {
        "id": run.id,
        "object": "reporting.report_run",
        "report_type": run.type,
        "format": str(run.format),
        "parameters": {
            "interval_start": int(run.since.timestamp()),
            "interval_end": int(run.until.timestamp()),
        },
        "status": str(run.state),
        "progress": run.progress,
        "closed": run.closed,
        "rows": run.rows,
        "files": [describe_file(each) for each in files],
        "failure_message": run.failure,
        "livemode": run.livemode,
        "created": int(run.created_at.timestamp()),
        "succeeded_at": _seconds(run) if run.failure is None else None,
        "version": run.version,
    }


def describe_file(file: FileRow) -> Mapping[str, Any]:
    """The object of a file."""
    return {
        "id": file.id,
        "object": "file",
        "purpose": "report",
        "report_run": file.run_id,
        "path": file.path,
        "media_type": file.media_type,
        "size": file.size,
        "rows": file.rows,
        "sha256": file.sha256.hex(),
        "url": f"/v1/files/{file.id}/content",
        "livemode": file.livemode,
        "created": int(file.created_at.timestamp()),
        "deleted_at": None if file.deleted_at is None else int(file.deleted_at.timestamp()),
    }


def _seconds(run: RunRow) -> int | None:
    return None if run.finished_at is None else int(run.finished_at.timestamp())
