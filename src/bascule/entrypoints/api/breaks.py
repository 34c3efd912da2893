"""/v1/breaks: what does not add up, who looks at it, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import or_

from bascule.domain.breaks import TYPES
from bascule.domain.errors import NotFound
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.operator import require_operator
from bascule.entrypoints.api.params import Expandable, Id, Listed, Params, Text200, Text1000
from bascule.entrypoints.api.shape import Caip2, ListOf, Seconds, Shape
from bascule.services import resolving
from bascule.services.break_view import describe
from bascule.storage import breaks
from bascule.storage.database import Connection
from bascule.storage.listing import BREAKS

WHOSE = "The books are the operator's; merchants have a balance."
BreakStatus = Literal["open", "resolved"]
BreakName = Annotated[Text200, Field(json_schema_extra={"enum": sorted(TYPES)})]


class BreakList(Listed):
    """Filters of breaks."""

    status: BreakStatus | None = None
    type: BreakName | None = None
    token: Id | None = None


class BreakResolve(Params):
    """Why a break is over. transaction: the journal's transaction that mends it, if one does."""

    reason: Text1000
    transaction: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class Break(Shape):
    """A contradiction between chain, journal, intents and payouts."""

    id: str
    object: Literal["break"]
    type: BreakName
    status: BreakStatus
    means: str
    subject: str = Field(description="What it is about: a token, a transfer, a payout, a deposit.")
    network: Caip2 | None
    token: str | None
    currency: str | None
    amount: str | None = Field(description="Of its token; chain minus books where these two differ.")
    amount_atomic: str | None
    evidence: dict[str, Any]
    owner: Literal["treasury", "operations", "merchant"]
    proposed_fix: str
    ends: Literal["booked", "gone", "explained", "resumed"] = Field(description="How it ends.")
    freezes_payouts: bool = Field(description="Payouts of its token wait while it is open.")
    age: int = Field(description="Seconds it is open, or was.")
    created: Seconds
    seen: Seconds = Field(description="When it was found last.")
    resolved_at: Seconds | None
    resolution: dict[str, Any] | None
    livemode: bool | None = Field(description="None: it is of the whole installation.")


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One break."""
    lists.expanding(call.params, frozenset())
    await require_operator(call, conn, WHOSE)
    row = await breaks.get(conn, call.id("brk"))
    if row is None or row.livemode not in (None, call.livemode):
        raise NotFound("resource_missing", "No such break.", param="id")
    [shown] = await describe(conn, [row], call.deps.clock.now())
    return shown


async def list_all(call: Call[BreakList], conn: Connection) -> dict[str, Any]:
    """Breaks of the caller's mode and of the whole installation, those that ended too."""
    params = call.params
    lists.expanding(params, frozenset())
    await require_operator(call, conn, WHOSE)
    mine = [or_(BREAKS.c.livemode == call.livemode, BREAKS.c.livemode.is_(None))]
    filters = lists.exact(BREAKS, state=params.status, type=params.type, token_id=params.token)

    async def described(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await describe(conn, await breaks.several(conn, ids), call.deps.clock.now())

    return await lists.answer(call, conn, BREAKS, described, scope=mine, filters=filters)


async def resolve(call: Call[BreakResolve], conn: Connection) -> dict[str, Any]:
    """Ends a break with an explanation, for ever; payouts that it froze go on."""
    await require_operator(call, conn, WHOSE)
    return await resolving.resolve(
        conn,
        call.deps.outbox,
        call.id("brk"),
        reason=call.params.reason,
        transaction=call.params.transaction,
        actor=call.caller.key_id,
        livemode=call.livemode,
        context=call.context,
    )


_PATH = "/v1/breaks"
OPERATIONS = (
    Operation(
        "GET", _PATH, "list_breaks", "List breaks", "breaks:read", list_all, BreakList, ListOf[Break],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_break", "Read a break", "breaks:read", retrieve, Expandable, Break,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/resolve", "resolve_break", "Explain a break", "breaks:write", resolve,
        BreakResolve, Break, "optional", conflicts=True,
        example={"reason": "The issuer burned it; their notice is in the file of 21 November."},
    ),
)  # fmt: skip
