"""/v1/requests: what the account asked this API, and how each request ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bascule.domain.errors import NotFound
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Listed
from bascule.entrypoints.api.shape import ListOf, Seconds, Shape
from bascule.storage import requests
from bascule.storage.database import Connection
from bascule.storage.listing import REQUESTS
from bascule.storage.requests import PATH_MAX, StoredLine


class RequestList(Listed):
    """Filters of the log of requests."""

    method: Annotated[
        Literal["GET", "POST", "DELETE"] | None, Field(description="Requests of this method alone.")
    ] = None
    path: Annotated[
        str | None,
        StringConstraints(pattern="^/", max_length=PATH_MAX),
        Field(description="This path and all below it."),
    ] = None
    status: Annotated[
        str | None,
        StringConstraints(pattern="^[1-5]([0-9]{2}|xx)$"),
        Field(description="A status, or all of its kind: 4xx."),
    ] = None


class LoggedRequest(Shape):
    """One request and how it ended; nothing of what was said in it."""

    id: str = Field(description="The answer's Request-Id.")
    object: Literal["request"]
    method: str = Field(description="GET, POST or DELETE.")
    path: str = Field(description="Without its query.")
    status: int = Field(description="The answer's HTTP status.")
    error_code: str | None = Field(description="The code of the error it met, if it met one.")
    idempotent_replayed: bool = Field(
        description="Whether it was answered with what the same Idempotency-Key got before."
    )
    duration_ms: int = Field(description="Until the answer was known.")
    api_key: str = Field(description="The key that asked.")
    key_prefix: str | None = Field(description="The beginning of that key, which is no secret.")
    left_out: int = Field(
        description="Requests of the account before this one that found no room in the log; 0, as a rule."
    )
    livemode: bool
    created: Seconds = Field(description="Unix seconds at which the line was written.")


async def list_all(call: Call[RequestList], conn: Connection) -> dict[str, Any]:
    """What the account's keys of the caller's mode asked in the last 30 days, newest first.

    A line is there about half a second after its answer; `ending_before` the last one seen brings all that
    were written since.
    """
    lists.expanding(call.params, frozenset())

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [_shown(line) for line in await requests.get_many(conn, ids)]

    return await lists.answer(call, conn, REQUESTS, describe, filters=_narrowed(call.params))


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One request, by the Request-Id of its answer."""
    lists.expanding(call.params, frozenset())
    id = call.id("req")
    for line in await requests.get_many(conn, [id]):
        if (line.account_id, line.livemode) == (call.account_id, call.livemode):
            return _shown(line)
    raise NotFound("resource_missing", f"The log has no request {id}.", param="id")


def _narrowed(params: RequestList) -> list[lists.Condition]:
    column = REQUESTS.c
    found = lists.exact(REQUESTS, method=params.method)
    if params.path is not None:
        path = params.path.rstrip("/")
        found.append((column.path == path) | column.path.startswith(f"{path}/", autoescape=True))
    if params.status is not None:
        least = int(params.status.replace("xx", "00"))
        found.append(column.status.between(least, least + 99 if "xx" in params.status else least))
    return found


def _shown(line: StoredLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "object": "request",
        "method": line.method,
        "path": line.path,
        "status": line.status,
        "error_code": line.error_code,
        "idempotent_replayed": line.replayed,
        "duration_ms": line.duration_ms,
        "api_key": line.api_key_id,
        "key_prefix": line.key_prefix,
        "left_out": line.left_out,
        "livemode": line.livemode,
        "created": int(line.created_at.timestamp()),
    }


_PATH, _READ = "/v1/requests", "requests:read"

OPERATIONS = (
    Operation(
        "GET", _PATH, "list_requests", "List what was asked", _READ, list_all, RequestList,
        ListOf[LoggedRequest],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_request", "Read one request's line", _READ, retrieve, Expandable,
        LoggedRequest,
    ),
)  # fmt: skip
