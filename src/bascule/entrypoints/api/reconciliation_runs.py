"""/v1/reconciliation/runs: the books held against the chain, and against themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import or_

from bascule.domain.errors import NotFound, Rejected
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.breaks import WHOSE
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.operator import require_operator
from bascule.entrypoints.api.params import Expandable, Listed, Params, Text200
from bascule.entrypoints.api.shape import AddressOut, Caip2, HashOut, ListOf, Seconds, Shape
from bascule.services.reconciliation_runs import describe_runs, request
from bascule.storage import audit, networks, reconciliation_runs
from bascule.storage.database import Connection
from bascule.storage.listing import RECONCILIATION_RUNS


class RunCreate(Params):
    """What is looked at: every network of the key's mode, or one. Our own rows always, all of them."""

    network: Text200 | None = None


class Comparison(Shape):
    """A token at a final block, in base units: on_chain = journal + unbooked + residual."""

    id: str
    object: Literal["reconciliation"]
    network: Caip2
    token: str
    currency: str
    contract: AddressOut
    decimals: int
    block_number: int
    block_hash: HashOut
    on_chain: str
    journal: str
    unbooked: str
    residual: str = Field(description="0, or it has an open break, or a person explained just this much.")
    created: Seconds


class ReconciliationRun(Shape):
    """One look at everything. The counts are null until it is completed."""

    id: str
    object: Literal["reconciliation.run"]
    status: Literal["requested", "completed"]
    network: Caip2 | None
    requested_by: str
    compared: int | None = Field(description="Tokens.")
    uneven: int | None = Field(description="Of them with a residual other than 0.")
    breaks_opened: int | None
    breaks_ended: int | None
    unanswered: list[str] = Field(
        description="Tokens not compared: nodes of their network were silent, or differed, for 15 minutes."
    )
    comparisons: list[Comparison]
    livemode: bool | None = Field(description="None: both modes, as every night.")
    created: Seconds
    finished_at: Seconds | None


async def create(call: Call[RunCreate], conn: Connection) -> dict[str, Any]:
    """Asks for a run; the worker does it within seconds and tells reconciliation.completed."""
    await require_operator(call, conn, WHOSE)
    chain_id = await lists.chain_of(conn, call.params.network)
    network = None if chain_id is None else await networks.get(conn, chain_id)
    if network is not None and network.livemode != call.livemode:
        raise Rejected("network_unknown", f"No such network: {call.params.network!r:.70}.", param="network")
    run = await request(
        conn, call.deps.outbox, requested_by=call.caller.key_id, livemode=call.livemode, chain_id=chain_id
    )
    await audit.append(
        conn,
        actor=call.caller.key_id,
        action="reconciliation.request",
        object_id=run.id,
        details={"chain_id": chain_id},
        request_id=call.request_id,
    )
    [shown] = await describe_runs(conn, [run])
    return shown


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One run with its comparisons."""
    lists.expanding(call.params, frozenset())
    await require_operator(call, conn, WHOSE)
    found = await reconciliation_runs.several(conn, [call.id("rec")])
    if not found or found[0].livemode not in (None, call.livemode):
        raise NotFound("resource_missing", "No such run.", param="id")
    [shown] = await describe_runs(conn, found)
    return shown


async def list_all(call: Call[Listed], conn: Connection) -> dict[str, Any]:
    """Runs of the caller's mode and of both."""
    lists.expanding(call.params, frozenset())
    await require_operator(call, conn, WHOSE)
    mode = RECONCILIATION_RUNS.c.livemode

    async def described(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await describe_runs(conn, await reconciliation_runs.several(conn, ids))

    mine = [or_(mode == call.livemode, mode.is_(None))]
    return await lists.answer(call, conn, RECONCILIATION_RUNS, described, scope=mine)


_PATH = "/v1/reconciliation/runs"
_READ, _WRITE = "reconciliation:read", "reconciliation:write"
OPERATIONS = (
    Operation(
        "POST", _PATH, "create_reconciliation_run", "Reconcile now", _WRITE, create, RunCreate,
        ReconciliationRun, "optional", example={"network": "eip155:31337"},
    ),
    Operation(
        "GET", _PATH, "list_reconciliation_runs", "List reconciliations", _READ, list_all, Listed,
        ListOf[ReconciliationRun],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_reconciliation_run", "Read a reconciliation", _READ, retrieve,
        Expandable, ReconciliationRun,
    ),
)  # fmt: skip
