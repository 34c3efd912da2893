"""/v1/reporting and /v1/files: reports that a worker makes, and the files that came of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from bascule.domain.report import Format, Interval
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.effects import Content, Download
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Listed, Nothing, Paged, Params, Text200, UnixSeconds
from bascule.entrypoints.api.shape import ListOf, Seconds, Shape
from bascule.services import report_runs
from bascule.storage.database import Connection
from bascule.storage.listing import REPORT_RUNS

RunStatus = Literal["pending", "running", "succeeded", "failed"]
FormatName = Literal["csv", "jsonl", "parquet"]


class IntervalParams(Params):
    """What became effective from the one moment until the other, in unix seconds."""

    interval_start: UnixSeconds
    interval_end: UnixSeconds


class ReportRunCreate(Params):
    """A new report run."""

    report_type: Text200
    parameters: IntervalParams
    format: FormatName = "csv"


class ReportRunList(Listed):
    """Filters of report runs."""

    status: RunStatus | None = None
    report_type: Text200 | None = None


class ReportColumn(Shape):
    """A column. Amounts are exact decimals of the token, times are UTC."""

    name: str
    type: Literal["text", "whole", "amount", "time"]


class ReportType(Shape):
    """A report there is."""

    id: str
    object: Literal["reporting.report_type"]
    grain: str = Field(description="What one row is.")
    operator_only: bool
    columns: list[ReportColumn]


class File(Shape):
    """A file of a report run."""

    id: str
    object: Literal["file"]
    purpose: Literal["report"]
    report_run: str
    path: str = Field(description="Below the run's folder; Parquet files by month.")
    media_type: str
    size: int
    rows: int
    sha256: str = Field(description="Of its bytes, in hexadecimal digits.")
    url: str
    livemode: bool
    created: Seconds
    deleted_at: Seconds | None = Field(description="When its time was over; its bytes are gone then.")


class ReportRun(Shape):
    """A report that was asked for."""

    id: str
    object: Literal["reporting.report_run"]
    report_type: str
    format: FormatName
    parameters: dict[str, int]
    status: RunStatus
    progress: int = Field(description="Per cent.")
    closed: bool | None = Field(description="Whether nothing can join its interval any more.")
    rows: int | None
    files: list[File]
    failure_message: str | None
    livemode: bool
    created: Seconds
    succeeded_at: Seconds | None
    version: int


async def list_types(call: Call[Paged], conn: Connection) -> dict[str, Any]:
    """Every report there is, with what one row of it is."""
    return lists.part(call, report_runs.types())


async def create(call: Call[ReportRunCreate], conn: Connection) -> dict[str, Any]:
    """Asks for a report; `reporting.report_run.succeeded` says when its files are there."""
    params = call.params
    bounds = params.parameters
    interval = Interval(_moment(bounds.interval_start), _moment(bounds.interval_end))
    return await call.deps.report_runs.create(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        type=params.report_type,
        format=Format(params.format),
        interval=interval,
        requested_by=call.caller.key_id,
    )


async def list_all(call: Call[ReportRunList], conn: Connection) -> dict[str, Any]:
    """The caller's report runs."""
    lists.expanding(call.params, frozenset())
    filters = lists.exact(REPORT_RUNS, state=call.params.status, type=call.params.report_type)
    return await lists.answer(call, conn, REPORT_RUNS, report_runs.describe_many, filters=filters)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One report run."""
    lists.expanding(call.params, frozenset())
    return await report_runs.own(conn, call.id("rpt"), call.account_id, call.livemode)


async def retrieve_file(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """What is known of a file."""
    lists.expanding(call.params, frozenset())
    file = await report_runs.own_file(conn, call.id("file"), call.account_id, call.livemode)
    return dict(report_runs.describe_file(file))


async def read_file(call: Call[Nothing], conn: Connection) -> Content:
    """A file's bytes, whose SHA-256 is in `Repr-Digest`."""
    file = await report_runs.own_file(conn, call.id("file"), call.account_id, call.livemode)
    report_runs.require_kept(file)
    pieces = report_runs.content(call.deps.db, file)
    return Content(file.media_type, file.path.rsplit("/", 1)[-1], file.size, file.sha256, pieces)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_RUNS = "/v1/reporting/report_runs"
_READ, _WRITE = "reporting:read", "reporting:write"
_CREATE = {
    "report_type": "activity",
    "parameters": {"interval_start": 1793491200, "interval_end": 1796083200},
    "format": "csv",
}

OPERATIONS = (
    Operation(
        "GET", "/v1/reporting/report_types", "list_report_types", "List reports there are", _READ, list_types,
        Paged, ListOf[ReportType],
    ),
    Operation(
        "POST", _RUNS, "create_report_run", "Ask for a report", _WRITE, create, ReportRunCreate, ReportRun,
        "optional", example=_CREATE,
    ),
    Operation(
        "GET", _RUNS, "list_report_runs", "List report runs", _READ, list_all, ReportRunList,
        ListOf[ReportRun],
    ),
    Operation(
        "GET", f"{_RUNS}/{{id}}", "get_report_run", "Read a report run", _READ, retrieve, Expandable,
        ReportRun,
    ),
    Operation(
        "GET", "/v1/files/{id}", "get_file", "Read what is known of a file", _READ, retrieve_file, Expandable,
        File,
    ),
    Operation(
        "GET", "/v1/files/{id}/content", "get_file_content", "Read a file", _READ, Download(read_file),
        Nothing, bytes,
    ),
)  # fmt: skip
