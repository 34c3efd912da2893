"""/v1/floats: what each vault can pay, what waits for it, and what treasury is asked to send."""

from __future__ import annotations

from typing import Any

from bascule.entrypoints.api import lists
from bascule.entrypoints.api.float_shapes import Float
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.operator import require_operator
from bascule.entrypoints.api.params import TokenList
from bascule.entrypoints.api.shape import ListOf
from bascule.services.float_view import describe
from bascule.storage import floats, networks
from bascule.storage.database import Connection


async def list_all(call: Call[TokenList], conn: Connection) -> dict[str, Any]:
    """The float of every vault of the caller's mode, by network and currency; the operator's alone to see."""
    await require_operator(call, conn, "The float is the operator's; merchants have a balance.")
    mine = {each.chain_id for each in await networks.every(conn) if each.livemode == call.livemode}
    asked = await lists.chain_of(conn, call.params.network)
    data = [
        describe(each, livemode=call.livemode)
        for each in await floats.every(conn, call.deps.payouts.clock.now())
        if each.chain_id in mine
        and asked in (None, each.chain_id)
        and call.params.currency in (None, each.currency)
    ]
    return lists.part(call, data)


OPERATIONS = (
    Operation(
        "GET", "/v1/floats", "list_floats", "List floats", "floats:read", list_all, TokenList,
        ListOf[Float],
    ),
)  # fmt: skip
