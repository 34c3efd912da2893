"""/v1/mandates: payouts that approvers allowed beforehand, to one address and within caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from bascule.domain.chain import checksum, parse_address
from bascule.domain.mandate import Kind
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.objects import PayoutApproval, SignApproval
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    PAYEE,
    AddressText,
    Amount,
    Currency,
    Expandable,
    Id,
    Listed,
    Nothing,
    Params,
    PayeeOrClaimant,
    PayoutApprove,
    Text200,
    Text1000,
    UnixSeconds,
)
from bascule.entrypoints.api.shape import AddressOut, Caip2, Decimal6, ListOf, Seconds, Shape
from bascule.services import mandate_view, mandates
from bascule.services.mandates import MandateRequest
from bascule.storage.database import Connection
from bascule.storage.listing import MANDATES

MandateStatus = Literal["requires_action", "active", "revoked", "expired"]


class MandateCreate(Params):
    """What may go out without approvals of its own. A day is any 24 hours; caps themselves are allowed."""

    currency: Currency
    network: Text200
    to: PayeeOrClaimant = Field(validation_alias=PAYEE)
    token: Id | None = None
    kind: Annotated[Kind, Field(description="Of the payouts it is for.")] = "payout"
    max_per_item: Amount
    max_per_day: Amount
    expires_at: UnixSeconds
    description: Text1000 | None = None


class MandateList(Listed):
    """Filters of mandates."""

    status: MandateStatus | None = None
    to: AddressText = Field(default=None, validation_alias=PAYEE)


class Mandate(Shape):
    """Approvers' word for many payouts to one address."""

    id: str
    object: Literal["mandate"]
    kind: Kind
    status: MandateStatus
    network: Caip2
    token: str
    currency: str
    destination: str = Field(description="An address, or `claimant`: whoever claims a refund.")
    vault: AddressOut
    max_per_item: Decimal6
    max_per_day: Decimal6
    spent_today: Decimal6 = Field(description="Asked for under it in 24 hours and not called off.")
    expires_at: Seconds
    approvals: list[PayoutApproval]
    approvals_required: int
    next_action: SignApproval | None
    description: str | None
    created_by: str
    livemode: bool
    created: Seconds
    version: int


async def create(call: Call[MandateCreate], conn: Connection) -> dict[str, Any]:
    """A new mandate, waiting for as many approvals as the policy asks for its largest payout."""
    params = call.params
    request = MandateRequest(
        currency=params.currency,
        network=params.network,
        to=params.to,
        max_per_item=params.max_per_item,
        max_per_day=params.max_per_day,
        expires_at=params.expires_at,
        token=params.token,
        description=params.description,
        kind=params.kind,
    )
    return await call.deps.mandates.propose(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=request,
        requested_by=call.caller.key_id,
        maker=call.caller.holder,
        context=call.context,
    )


async def approve(call: Call[PayoutApprove], conn: Connection) -> dict[str, Any]:
    """Keeps one approver's signature; with the last one needed payouts go out under it."""
    return await call.deps.mandates.approve(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        mandate_id=call.id("mnd"),
        approver=call.params.approver,
        signature=call.params.signature,
        actor=call.caller.key_id,
        context=call.context,
    )


async def revoke(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Ends a mandate. What is not reserved yet asks for approvals; what is on its way goes on."""
    return await call.deps.mandates.revoke(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        mandate_id=call.id("mnd"),
        actor=call.caller.key_id,
        context=call.context,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One mandate."""
    lists.expanding(call.params, frozenset())
    row = await mandates.own(conn, call.id("mnd"), call.account_id, call.livemode)
    return await mandate_view.describe_row(conn, row, call.deps.clock.now())


async def list_all(call: Call[MandateList], conn: Connection) -> dict[str, Any]:
    """The caller's mandates, those that ended too."""
    params = call.params
    lists.expanding(params, frozenset())
    to = None if params.to is None else checksum(parse_address(params.to, param="to"))
    filters = lists.exact(MANDATES, state=params.status, destination=to)

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows = [await mandates.own(conn, id, call.account_id, call.livemode) for id in ids]
        return [await mandate_view.describe_row(conn, row, call.deps.clock.now()) for row in rows]

    return await lists.answer(call, conn, MANDATES, describe, filters=filters)


_PATH = "/v1/mandates"
_READ, _WRITE = "mandates:read", "mandates:write"
_CREATE = {
    "currency": "usdc",
    "network": "eip155:31337",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "max_per_item": "1000.00",
    "max_per_day": "5000.00",
    "expires_at": 1830000000,
}
_APPROVE = {"approver": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "signature": "0x" + "1b" * 65}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_mandate", "Propose a mandate", _WRITE, create, MandateCreate, Mandate,
        "required", example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_mandates", "List mandates", _READ, list_all, MandateList, ListOf[Mandate],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_mandate", "Read a mandate", _READ, retrieve, Expandable, Mandate,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/approve", "approve_mandate", "Sign a mandate", "payouts:approve", approve,
        PayoutApprove, Mandate, "required", conflicts=True, example=_APPROVE,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/revoke", "revoke_mandate", "End a mandate", _WRITE, revoke, Nothing, Mandate,
        "optional", conflicts=True,
    ),
)  # fmt: skip
