"""A settlement from all sides: its state in words, whereto it goes, and what happens next."""

from __future__ import annotations

from typing import Any

from bascule.domain.errors import NotFound
from bascule.domain.settlement import SETTLEMENT, SettlementState
from bascule.services import settlement_view
from bascule.storage import audit, settlements
from bascule.storage.database import Connection


async def settlement(conn: Connection, settlement_id: str) -> dict[str, Any]:
    """A settlement: its period, to whom, by which payout, who has to do something. Raises: NotFound."""
    row = await settlements.get(conn, settlement_id)
    if row is None:
        raise NotFound(
            "resource_missing", f"No such settlement: {settlement_id}.", next_step="copy the id whole"
        )
    [shown] = await settlement_view.describe_rows(conn, [row])
    action = shown["next_action"]
    waits = {
        SettlementState.SCHEDULED: "the worker makes its payout, or follows it: `bascule explain` the payout",
        SettlementState.FAILED: f"nothing: it ended by {row.failure_code}; the next period takes the money",
    }
    return {
        "object": f"settlement {settlement_id}",
        "state": f"{row.state}: {SETTLEMENT.sentences[row.state]}",
        "of": f"{row.account_id}, period {row.period}",
        "amount": f"{shown['amount']} {shown['currency']} on {shown['network']}",
        "to": shown["to"],
        "waits_for": row.waits_for,
        "payout": row.payout_id,
        "audit": [each["action"] for each in await audit.of_object(conn, settlement_id)],
        "next": waits.get(row.state, "nothing: this is its end") if action is None else action["next_step"],
    }
