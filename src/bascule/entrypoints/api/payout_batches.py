"""/v1/payout_batches: many payouts as one file, checked line by line, approved by one signature each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain import payout_file
from bascule.domain.errors import Rejected
from bascule.domain.payout_file import Line
from bascule.entrypoints.api import lists, objects, payouts
from bascule.entrypoints.api.batch_shapes import (
    BatchCreate,
    BatchList,
    BatchTemplate,
    PayoutBatch,
    cells,
)
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Nothing, PayoutApprove, PayoutList
from bascule.entrypoints.api.shape import ListOf
from bascule.services import payout_batches
from bascule.services.batch_view import describe_batch
from bascule.services.payout_batches import BatchRequest
from bascule.storage.database import Connection
from bascule.storage.listing import PAYOUT_BATCHES


async def create(call: Call[BatchCreate], conn: Connection) -> dict[str, Any]:
    """Many payouts at once, all or nothing unless asked otherwise; a dry run says what would be."""
    params = call.params
    assert call.idempotency_key is not None, "the operation requires a key"
    request = BatchRequest(
        lines=_lines(params),
        mode=params.mode,
        key=params.batch_key or call.idempotency_key,
        requested_by=call.caller.key_id,
        maker=call.caller.holder,
        description=params.description,
    )
    return await call.deps.payout_batches.request(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=request,
        dry_run=params.dry_run,
        context=call.context,
    )


async def approve(call: Call[PayoutApprove], conn: Connection) -> dict[str, Any]:
    """Keeps one approver's signature over the whole batch; the last one needed puts its money on hold."""
    return await call.deps.payout_batches.approve(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        batch_id=call.id("pob"),
        approver=call.params.approver,
        signature=call.params.signature,
        context=call.context,
    )


async def cancel(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Calls a batch off that waits for approvals, with all its payouts."""
    return await call.deps.payout_batches.cancel(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        batch_id=call.id("pob"),
        context=call.context,
    )


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One batch: totals, progress, and what approvers sign."""
    lists.expanding(call.params, frozenset())
    row = await payout_batches.own(conn, call.id("pob"), call.account_id, call.livemode)
    return await describe_batch(conn, row)


async def list_all(call: Call[BatchList], conn: Connection) -> dict[str, Any]:
    """The caller's batches, without what approvers sign."""
    lists.expanding(call.params, frozenset())

    async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        rows = [await payout_batches.own(conn, id, call.account_id, call.livemode) for id in ids]
        return [await describe_batch(conn, row, typed_data=False) for row in rows]

    filters = lists.exact(PAYOUT_BATCHES, state=call.params.status)
    return await lists.answer(call, conn, PAYOUT_BATCHES, describe, filters=filters)


async def list_items(call: Call[PayoutList], conn: Connection) -> dict[str, Any]:
    """The payouts of a batch, in the order of its lines."""
    row = await payout_batches.own(conn, call.id("pob"), call.account_id, call.livemode)
    return await payouts.page_of(call, conn, batch_id=row.id)


async def template(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """The header of a file, and which of its columns are needed."""
    return {
        "object": "payout_batch_template",
        "columns": list(payout_file.COLUMNS),
        "required": list(payout_file.NEEDED),
        "csv": payout_file.TEMPLATE,
    }


def _lines(params: BatchCreate) -> list[Line]:
    if (params.items is None) == (params.csv is None):
        raise Rejected("parameter_missing", "Send items, or a CSV file.", param="items")
    if params.csv is not None:
        return payout_file.read(params.csv)
    return [Line(number, cells(item)) for number, item in enumerate(params.items or (), 1)]


_PATH = "/v1/payout_batches"
_READ, _WRITE = "payouts:read", "payouts:write"
_ITEM = {
    "amount": "100.00",
    "currency": "usdc",
    "network": "eip155:31337",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "client_reference_id": "salary-2041",
}
_CREATE = {"items": [_ITEM], "dry_run": True}
_APPROVE = {"approver": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "signature": "0x" + "1b" * 65}

OPERATIONS = (
    Operation(
        "GET", f"{_PATH}/template", "get_payout_batch_template", "Read how a file begins", _READ, template,
        Nothing, BatchTemplate,
    ),
    Operation(
        "POST", _PATH, "create_payout_batch", "Ask for many payouts", _WRITE, create, BatchCreate,
        PayoutBatch, "required", conflicts=True, file=True, example=_CREATE,
    ),
    Operation(
        "GET", _PATH, "list_payout_batches", "List batches", _READ, list_all, BatchList, ListOf[PayoutBatch],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_payout_batch", "Read a batch", _READ, retrieve, Expandable,
        PayoutBatch,
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}/items", "list_payout_batch_items", "List a batch's payouts", _READ,
        list_items, PayoutList, ListOf[objects.Payout],
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/approve", "approve_payout_batch", "Approve a batch with one signature",
        "payouts:approve", approve, PayoutApprove, PayoutBatch, "required", conflicts=True, example=_APPROVE,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/cancel", "cancel_payout_batch", "Call a batch off", _WRITE, cancel, Nothing,
        PayoutBatch, "optional", conflicts=True,
    ),
)  # fmt: skip
