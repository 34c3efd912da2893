"""Balance transactions as the API shows them: a row per booked transaction and asset, safe to sum."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

from bascule.domain import ids
from bascule.domain.chain import caip2
from bascule.domain.errors import NotFound
from bascule.domain.ids import Prefix
from bascule.domain.money import signed_units
from bascule.storage import balance_transactions as rows
from bascule.storage.balance_transactions import NEVER, BalanceTransaction, Scope
from bascule.storage.database import Connection

MILLISECOND = timedelta(milliseconds=1)


def id_of(row: BalanceTransaction) -> str:
    """Its identity: when it was recorded, and what it is; the same for ever, also in a restored database."""
    content = sha256(row.digest + row.token_id.encode()).digest()
    at_ms = (row.recorded_at - NEVER) // MILLISECOND
    return ids.new(Prefix.TRANSACTION, at_ms, content[: ids.ENTROPY_BYTES])


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
    at_ms = ids.created_ms(ids.check(Prefix.TRANSACTION, id, param=param))
    near = await rows.recorded(conn, scope.account_id, scope.livemode, at_ms)
    for row in await rows.of_txs(conn, scope.account_id, near):
        if id_of(row) == id:
            return row
    raise NotFound("resource_missing", f"No such balance transaction: {id!r:.70}.", param=param)


def _shown(row: BalanceTransaction, livemode: bool) -> dict[str, Any]:
    amounts = {"amount": row.net + row.fee, "fee": row.fee, "net": row.net}
    return {
        "id": id_of(row),
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
