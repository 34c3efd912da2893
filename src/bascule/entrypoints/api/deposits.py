"""/v1/deposits: money that arrived, whatever it counts for."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import exists, or_, select

from bascule.domain.chain import parse_hash
from bascule.domain.errors import NotFound
from bascule.entrypoints.api import deposit_objects, evidence_objects, lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import DepositApply, DepositList, Expandable, IntentDepositList, Nothing
from bascule.entrypoints.api.shape import ListOf
from bascule.services import deposits
from bascule.storage.database import Connection
from bascule.storage.listing import APPLICATIONS, DEPOSIT_ADDRESSES, DEPOSITS, run

P = TypeVar("P", bound=IntentDepositList)


async def list_all(call: Call[DepositList], conn: Connection) -> dict[str, Any]:
    """The caller's deposits."""
    return await page_of(call, conn, intent_id=call.params.payment_intent)


async def page_of(call: Call[P], conn: Connection, *, intent_id: str | None) -> dict[str, Any]:
    """A page of the caller's deposits, if an intent is named those at its addresses or applied to it."""
    params = call.params
    lists.expanding(params, frozenset())
    tx_hash = None if params.tx_hash is None else parse_hash(params.tx_hash, param="tx_hash")
    filters = lists.exact(
        DEPOSITS, state=params.status, chain_id=await lists.chain_of(conn, params.network), tx_hash=tx_hash
    )
    if intent_id is not None:
        theirs = select(DEPOSIT_ADDRESSES.c.address).where(
            DEPOSIT_ADDRESSES.c.chain_id == DEPOSITS.c.chain_id,
            DEPOSIT_ADDRESSES.c.address == DEPOSITS.c.dst,
            DEPOSIT_ADDRESSES.c.intent_id == intent_id,
        )
        chosen = select(APPLICATIONS.c.deposit_id).where(
            APPLICATIONS.c.deposit_id == DEPOSITS.c.id,
            APPLICATIONS.c.chosen,
            APPLICATIONS.c.intent_id == intent_id,
        )
        filters.append(or_(exists(theirs), exists(chosen)))
    return await lists.answer(call, conn, DEPOSITS, deposits.describe_many, filters=filters)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One deposit."""
    return await deposits.describe(conn, await _own(call, conn))


async def evidence(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """What proves a final deposit; `bascule verify-evidence` checks it offline."""
    return await deposits.evidence_of(conn, await _own(call, conn))


async def apply(call: Call[DepositApply], conn: Connection) -> dict[str, Any]:
    """Counts an unapplied deposit for an intent that still lacks money."""
    return await call.deps.choices.apply(
        conn,
        call.id("dep"),
        call.params.payment_intent,
        account_id=call.account_id,
        livemode=call.livemode,
        context=call.context,
    )


async def accept(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Keeps an unapplied deposit without an intent."""
    return await call.deps.choices.accept(
        conn, call.id("dep"), account_id=call.account_id, livemode=call.livemode, context=call.context
    )


async def _own(call: Call[Expandable], conn: Connection) -> str:
    """The id in the path, of a deposit of the caller's. Raises: NotFound."""
    lists.expanding(call.params, frozenset())
    id = call.id("dep")
    mine = select(DEPOSITS.c.id).where(
        DEPOSITS.c.id == id, DEPOSITS.c.account_id == call.account_id, DEPOSITS.c.livemode == call.livemode
    )
    if not await run(conn, mine):
        raise NotFound("resource_missing", f"No such deposit: {id!r:.70}.", param="id")
    return id


_APPLY = {"payment_intent": "pi_0mpa5rj4p2vqv8x1y3z9"}

OPERATIONS = (
    Operation(
        "GET", "/v1/deposits", "list_deposits", "List deposits", "deposits:read", list_all, DepositList,
        ListOf[deposit_objects.Deposit],
    ),
    Operation(
        "GET", "/v1/deposits/{id}", "get_deposit", "Read a deposit", "deposits:read", retrieve, Expandable,
        deposit_objects.Deposit,
    ),
    Operation(
        "GET", "/v1/deposits/{id}/evidence", "get_deposit_evidence", "Read a deposit's evidence",
        "deposits:read", evidence, Expandable, evidence_objects.DepositEvidence,
    ),
    Operation(
        "POST", "/v1/deposits/{id}/apply", "apply_deposit", "Apply a deposit to an intent",
        "deposits:write", apply, DepositApply, deposit_objects.Deposit, "required", conflicts=True,
        example=_APPLY,
    ),
    Operation(
        "POST", "/v1/deposits/{id}/accept", "accept_deposit", "Keep a deposit without an intent",
        "deposits:write", accept, Nothing, deposit_objects.Deposit, "required", conflicts=True,
    ),
)  # fmt: skip
