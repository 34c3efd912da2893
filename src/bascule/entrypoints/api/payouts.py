"""/v1/payouts: money asked to go out; people approve it, the signer alone signs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain.chain import parse_address
from bascule.entrypoints.api import evidence_objects, lists, objects
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    Expandable,
    Nothing,
    PayoutApprove,
    PayoutCreate,
    PayoutList,
)
from bascule.entrypoints.api.shape import ListOf
from bascule.services import payouts
from bascule.services.payout_evidence import evidence_of
from bascule.services.payouts import PayoutRequest
from bascule.storage.database import Connection
from bascule.storage.listing import PAYOUTS


async def create(call: Call[PayoutCreate], conn: Connection) -> dict[str, Any]:
    """A new payout, waiting for approvals, or pending at once within a mandate."""
    params = call.params
    assert call.idempotency_key is not None, "the operation requires a key"
    request = PayoutRequest(
        amount=params.amount,
        currency=params.currency,
        network=params.network,
        destination=params.to,
        token=params.token,
        client_reference_id=params.client_reference_id,
        description=params.description,
        metadata=params.metadata,
        mandate=params.mandate,
        reissue_of=params.reissue_of,
    )
    return await call.deps.payouts.request(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=request,
        idempotency_key=call.idempotency_key,
        requested_by=call.caller.key_id,
        maker=call.caller.holder,
        context=call.context,
    )


async def approve(call: Call[PayoutApprove], conn: Connection) -> dict[str, Any]:
    """Keeps one approver's signature; the last one needed puts the money on hold."""
    return await call.deps.payouts.approve(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        payout_id=call.id("po"),
        approver=call.params.approver,
        signature=call.params.signature,
        context=call.context,
    )


async def reject(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Turns a payout down."""
    return await call.deps.payouts.reject(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        payout_id=call.id("po"),
        context=call.context,
    )


async def cancel(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Calls a payout off: at once, or at the vault while it is on its way."""
    return await call.deps.payouts.cancel(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        payout_id=call.id("po"),
        requested_by=call.caller.key_id,
        context=call.context,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One payout."""
    lists.expanding(call.params, frozenset())
    row = await payouts.own(conn, call.id("po"), call.account_id, call.livemode)
    return await payouts.describe_row(conn, row)


async def evidence(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """What proves how a payout ended; `bascule verify-evidence` checks it offline."""
    lists.expanding(call.params, frozenset())
    row = await payouts.own(conn, call.id("po"), call.account_id, call.livemode)
    return await evidence_of(conn, row)


async def list_all(call: Call[PayoutList], conn: Connection) -> dict[str, Any]:
    """The caller's payouts."""
    return await page_of(call, conn)


async def page_of(call: Call[PayoutList], conn: Connection, *, batch_id: str | None = None) -> dict[str, Any]:
    """A page of the caller's payouts, if a batch is named those of it."""
    params = call.params
    lists.expanding(params, frozenset())
    filters = lists.exact(
        PAYOUTS,
        batch_id=batch_id,
        state=params.status,
        client_reference_id=params.client_reference_id,
        **_payee(params.to),
    )
    return await lists.answer(call, conn, PAYOUTS, _describe, filters=filters)


def _payee(named: object) -> dict[str, object]:
    if isinstance(named, str) and named.startswith("wal_"):
        return {"destination_id": named}
    return {"destination": None if named is None else parse_address(named, param="to")}


async def _describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [await payouts.describe(conn, id) for id in ids]


_PATH = "/v1/payouts"
_READ, _WRITE = "payouts:read", "payouts:write"
_CREATE = {
    "amount": "100.00",
    "currency": "usdc",
    "network": "eip155:31337",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "client_reference_id": "invoice-2041",
}
_APPROVE = {"approver": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "signature": "0x" + "1b" * 65}

OPERATIONS = (
    Operation(
        "POST", _PATH, "create_payout", "Ask for a payout", _WRITE, create, PayoutCreate, objects.Payout,
        "required", conflicts=True, example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_payouts", "List payouts", _READ, list_all, PayoutList,
        ListOf[objects.Payout],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_payout", "Read a payout", _READ, retrieve, Expandable, objects.Payout,
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}/evidence", "get_payout_evidence", "Read a payout's evidence", _READ,
        evidence, Expandable, evidence_objects.PayoutEvidence,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/approve", "approve_payout", "Add an approver's signature", "payouts:approve",
        approve, PayoutApprove, objects.Payout, "required", conflicts=True, example=_APPROVE,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/reject", "reject_payout", "Turn a payout down", "payouts:approve", reject,
        Nothing, objects.Payout, "optional", conflicts=True,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/cancel", "cancel_payout", "Call a payout off", _WRITE, cancel, Nothing,
        objects.Payout, "optional", conflicts=True,
    ),
)  # fmt: skip
