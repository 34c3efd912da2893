"""Balance transactions as the API shows them: a row per booked transaction and asset, safe to sum."""

from __future__ import annotations

import re
from typing import Any

from bascule.domain.chain import caip2
from bascule.domain.errors import NotFound
from bascule.domain.money import signed_units
from bascule.storage import balance_transactions as rows
from bascule.storage.balance_transactions import BalanceTransaction, Scope
from bascule.storage.database import Connection

_SPELLED = re.compile(r"txn_([0-9a-f]{12})[0-9a-f]{20}")


async def page(
    conn: Connection, scope: Scope, *, limit: int, after: str | None, before: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """A page, newest first, and whether more follow. Raises: NotFound for an unknown cursor."""
    if before is not None:
        bound = (await _find(conn, scope, before, "ending_before")).tx_id
        found = await rows.newer(conn, scope, bound, limit + 1)
    else:
        bound = rows.NEWEST
        if after is not None:
            bound = (await _find(conn, scope, after, "starting_after")).tx_id
        found = await rows.older(conn, scope, bound, limit + 1)
    wanted = await rows.of_txs(conn, scope.account_id, found[:limit])
    data = [_shown(row, scope.livemode) for row in wanted]
    return data, len(found) > limit


async def describe(conn: Connection, account_id: str, livemode: bool, id: str) -> dict[str, Any]:
    """One balance transaction. Raises: NotFound."""
    return _shown(await _find(conn, Scope(account_id, livemode), id, "id"), livemode)


async def _find(conn: Connection, scope: Scope, id: str, param: str) -> BalanceTransaction:
    if spelled := _SPELLED.fullmatch(id):  # it says when it was recorded
        near = await rows.recorded(conn, scope.account_id, scope.livemode, int(spelled[1], 16))
        for row in await rows.of_txs(conn, scope.account_id, near):
            if row.id == id:
                return row
    raise NotFound("resource_missing", f"No such balance transaction: {id!r:.70}.", param=param)


def _shown(row: BalanceTransaction, livemode: bool) -> dict[str, Any]:
    amounts = {"amount": row.net + row.fee, "fee": row.fee, "net": row.net}
    return {
        "id": row.id,
        "object": "balance_transaction",
        "type": row.type,
        "source": row.source,
        **{name: signed_units(units, row.decimals) for name, units in amounts.items()},
        **{f"{name}_atomic": str(units) for name, units in amounts.items()},
        "decimals": row.decimals,
        "currency": row.currency,
        "network": caip2(row.chain_id),
        "token": row.token_id,
        "livemode": livemode,
        "created": int(row.recorded_at.timestamp()),
        "effective_at": int(row.effective_at.timestamp()),
    }
