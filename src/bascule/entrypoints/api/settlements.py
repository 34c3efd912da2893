"""/v1/settlements: what an account has goes to its own address, a period at a time."""

from __future__ import annotations

from typing import Any, Literal

from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Currency, Expandable, Id, Listed, Nothing, Params, Text200
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, Decimal6, ListOf, Seconds, Shape
from bascule.services import settlement_view, settlements
from bascule.storage.database import Connection
from bascule.storage.listing import SETTLEMENTS

SettlementStatus = Literal["scheduled", "completed", "failed", "canceled"]


class SettlementCreate(Params):
    """The asset to settle now, whatever its schedule."""

    network: Text200
    currency: Currency
    token: Id | None = None


class SettlementList(Listed):
    """Filters of settlements."""

    status: SettlementStatus | None = None
    token: Id | None = None


class SettlementAction(Shape):
    """What must happen next."""

    type: Literal["set_destination", "cool_off", "resolve_break", "review_policy", "approve_payout"]
    next_step: str
    until: Seconds | None


class Settlement(Shape):
    """One period of an asset. amount, to: for good once it has a payout; waits_for: why it has none yet."""

    id: str
    object: Literal["settlement"]
    period: int
    amount: Decimal6
    amount_atomic: Atomic
    currency: str
    decimals: int
    token: str
    network: Caip2
    status: SettlementStatus
    to: AddressOut | None
    waits_for: str | None
    next_action: SettlementAction | None
    failure_code: str | None
    payout: str | None
    due_at: Seconds | None
    requested_by: str
    livemode: bool
    created: Seconds
    ended_at: Seconds | None
    version: int


async def create(call: Call[SettlementCreate], conn: Connection) -> dict[str, Any]:
    """Settles all that the reserve leaves of an asset now."""
    params = call.params
    return await call.deps.settlements.request(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        network=params.network,
        currency=params.currency,
        token_id=params.token,
        requested_by=call.caller.key_id,
        context=call.context,
    )


async def cancel(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Calls a settlement off, until its payout is in a signed batch."""
    return await call.deps.settlements.cancel(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        settlement_id=call.id("stl"),
        requested_by=call.caller.key_id,
        context=call.context,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One settlement."""
    lists.expanding(call.params, frozenset())
    row = await settlements.own(conn, call.id("stl"), call.account_id, call.livemode)
    [shown] = await settlement_view.describe_rows(conn, [row])
    return shown


async def list_all(call: Call[SettlementList], conn: Connection) -> dict[str, Any]:
    """The caller's settlements."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(SETTLEMENTS, state=params.status, token_id=params.token)
    return await lists.answer(call, conn, SETTLEMENTS, settlement_view.describe, filters=filters)


_PATH = "/v1/settlements"
_READ, _WRITE = "settlements:read", "settlements:write"
_CREATE = {"network": "eip155:31337", "currency": "usdc"}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_settlement", "Settle an asset now", _WRITE, create, SettlementCreate,
        Settlement, "required", conflicts=True, example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_settlements", "List settlements", _READ, list_all, SettlementList,
        ListOf[Settlement],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_settlement", "Read a settlement", _READ, retrieve, Expandable,
        Settlement,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/cancel", "cancel_settlement", "Call a settlement off", _WRITE, cancel,
        Nothing, Settlement, "optional", conflicts=True,
    ),
)  # fmt: skip
