"""/v1/audit_log: what the account's own keys did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import select

from bascule.domain.errors import NotFound
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Id, Listed, Text200
from bascule.entrypoints.api.shape import ListOf, Seconds, Shape
from bascule.storage import audit
from bascule.storage.database import Connection
from bascule.storage.listing import API_KEYS, AUDIT_LOG

PREFIX = "aud_"


class AuditList(Listed):
    """Filters of the audit log."""

    actor: Id | None = None
    action: Text200 | None = None
    object: Id | None = None


class AuditLine(Shape):
    """Who did what to which object; never what was said, and no secret."""

    id: str
    object: Literal["audit_line"]
    actor: str
    action: str
    target: str
    request: str | None
    created: Seconds


async def list_all(call: Call[AuditList], conn: Connection) -> dict[str, Any]:
    """What the account's keys of the caller's mode changed, newest first."""
    params = call.params
    lists.expanding(params, frozenset())
    lists.require_one_cursor(params)
    numbers = {name: _number(getattr(params, name), name) for name in ("starting_after", "ending_before")}
    keys = select(API_KEYS.c.id).where(
        API_KEYS.c.account_id == call.account_id, API_KEYS.c.livemode == call.livemode
    )
    filters = lists.exact(AUDIT_LOG, actor=params.actor, action=params.action, object_id=params.object)
    scope = [AUDIT_LOG.c.actor.in_(keys)]
    by_number = replace(call, params=params.model_copy(update=numbers))
    try:
        return await lists.answer(by_number, conn, AUDIT_LOG, _describe, scope=scope, filters=filters)
    except NotFound as missing:  # which speaks of numbers
        name = "starting_after" if params.starting_after is not None else "ending_before"
        raise _unknown(str(getattr(params, name)), name) from missing


async def _describe(conn: Connection, ids: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{PREFIX}{line['id']}",
            "object": "audit_line",
            "actor": line["actor"],
            "action": line["action"],
            "target": line["object_id"],
            "request": line["request_id"],
            "created": int(line["at"].timestamp()),
        }
        for line in await audit.get_many(conn, ids)
    ]


def _number(id: str | None, param: str) -> str | None:
    """The line's number in an id. Raises: NotFound."""
    if id is None:
        return None
    digits = id.removeprefix(PREFIX)
    if not id.startswith(PREFIX) or not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise _unknown(id, param)
    return digits


def _unknown(id: str, param: str) -> NotFound:
    return NotFound("resource_missing", f"The list has nothing with the id {id!r:.70}.", param=param)


OPERATIONS = (
    Operation(
        "GET", "/v1/audit_log", "list_audit_log", "List what the account's keys did", "audit_log:read",
        list_all, AuditList, ListOf[AuditLine],
    ),
)  # fmt: skip
