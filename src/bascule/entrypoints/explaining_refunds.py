"""A refund from all sides: its state in words, whom it pays, and what happens next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bascule.domain.errors import NotFound
from bascule.domain.refund import REFUND, RefundState
from bascule.services import lost_bytes, refund_view
from bascule.storage import audit, refunds
from bascule.storage.database import Connection

_ENDS = {
    lost_bytes.UNSETTLED: "bytes signed before a restore may still pay it: an operator runs"
    " `bascule restore check`; it goes on an hour later",
    refund_view.RECOVERED: "nothing: the vault paid it, or another refund of its payment, before a restore",
    refund_view.SCREENED: "who sent the money stands on a list, and the compliance role decides:"
    " `bascule screening list`",
}


async def refund(conn: Connection, refund_id: str) -> dict[str, Any]:
    """A refund: of which payment, to whom, by which payout, and who has to do something. Raises: NotFound."""
    row = await refunds.get(conn, refund_id)
    if row is None:
        raise NotFound("resource_missing", f"No such refund: {refund_id}.", next_step="copy the id whole")
    [shown] = await refund_view.describe_rows(conn, [row], datetime.now(UTC))
    action = shown["next_action"]
    waits = {
        RefundState.REQUIRES_ACTION: "the worker ends it, as its link is over",
        RefundState.PENDING: "the worker makes its payout, or follows it: `bascule explain` the payout",
        RefundState.FAILED: f"nothing: it ended by {row.failure_code}; ask for another",
    }
    return {
        "object": f"refund {refund_id}",
        "state": f"{row.state}: {REFUND.sentences[row.state]}",
        "of": row.of,
        "amount": f"{shown['amount']} {shown['currency']} on {shown['network']}",
        "destination": shown["destination"],
        "waits_for": shown["waits_for"],
        "payout": row.payout_id,
        "audit": [each["action"] for each in await audit.of_object(conn, refund_id)],
        "next": _ENDS.get(shown["waits_for"]) or waits.get(row.state, "nothing: this is its end")
        if action is None
        else action["next_step"],
    }
