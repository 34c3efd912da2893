"""An authorization from all sides: its state in words, what it paid, and what happens next."""

from __future__ import annotations

from typing import Any

from bascule.domain.authorization import AUTHORIZATION, AuthorizationState
from bascule.domain.chain import hex32
from bascule.domain.errors import NotFound
from bascule.services import authorization_view
from bascule.storage import authorizations
from bascule.storage.database import Connection


async def authorization(conn: Connection, id: str) -> dict[str, Any]:
    """An authorization: of whom, to where, by which transaction, and what it waits for. Raises: NotFound."""
    row = await authorizations.get(conn, id)
    if row is None:
        raise NotFound("resource_missing", f"No such authorization: {id}.", next_step="copy the id whole")
    shown = authorization_view.described(row)
    waits = {
        AuthorizationState.PENDING: "the lane presents it, or a final block says that it can never pay",
        AuthorizationState.INCLUDED: f"the chain makes its deposit final: `bascule explain {row.deposit_id}`",
    }
    return {
        "object": f"authorization {id}",
        "state": f"{row.state}: {AUTHORIZATION.sentences[row.state]}",
        "amount": f"{shown['amount']} {shown['currency']} on {shown['network']}",
        "payer": shown["payer"],
        "pay_to": shown["pay_to"],
        "failure": row.failure_code,
        "waits_for": row.waits_for,
        "ours": None if row.carried_by is None else hex32(row.carried_by),
        "deposit": row.deposit_id,
        "next": waits.get(row.state, "nothing: this is its end"),
    }
