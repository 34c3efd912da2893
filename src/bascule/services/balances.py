"""What an account has, as the API shows it: per chain and contract, never summed across chains."""

from __future__ import annotations

from typing import Any

from bascule.domain.chain import caip2, checksum
from bascule.domain.money import display_units
from bascule.storage import balances
from bascule.storage.balances import Balance, Grown
from bascule.storage.database import Connection

KINDS = ("available", "pending", "held", "reserved", "unapplied")


async def describe(conn: Connection, account_id: str, livemode: bool) -> dict[str, Any]:
    """The balance: booked and free, not final yet, on hold, of the free what is kept, and not applied."""
    rows = await balances.of_account(conn, account_id, livemode)
    parts = {kind: [part(row, getattr(row, kind)) for row in rows] for kind in KINDS}
    return {"object": "balance", **parts, "livemode": livemode}


def part(row: Balance | Grown, units: int) -> dict[str, Any]:
    """So many units of a token, as every balance shows them."""
    return {
        "amount": display_units(units, row.decimals),
        "amount_atomic": str(units),
        "decimals": row.decimals,
        "currency": row.currency,
        "network": caip2(row.chain_id),
        "token": row.token_id,
        "contract": checksum(row.contract),
    }
