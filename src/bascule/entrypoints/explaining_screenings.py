"""A screening from all sides: what it holds, by which line of which list, and who decides."""

from __future__ import annotations

from typing import Any

from bascule.domain.errors import NotFound
from bascule.domain.screening import SCREENING, ScreeningState
from bascule.services.screening_view import describe
from bascule.storage import audit
from bascule.storage.database import Connection


async def screening(conn: Connection, screening_id: str) -> dict[str, Any]:
    """A screening: the deposit or payout it holds, why, what was decided. Raises: NotFound."""
    found = await describe(conn, [screening_id])
    if not found:
        raise NotFound(
            "resource_missing", f"No such screening: {screening_id}.", next_step="copy the id whole"
        )
    [shown] = found
    state = ScreeningState(shown["status"])
    command = f"`bascule screening release` or `reject {screening_id} --reason ...`"
    amount = shown["amount_atomic"] if shown["amount"] is None else f"{shown['amount']} {shown['currency']}"
    return {
        "object": f"screening {screening_id}",
        "state": f"{state}: {SCREENING.sentences[state]}",
        "of": shown["account"],
        "holds": f"{shown['deposit'] or shown['payout']}, which is {shown['subject_status']}",
        "amount": f"{amount} on {shown['network']}",
        "listed": f"{shown['address']} by {shown['list']}: {shown['reference'] or 'no reference'}",
        "decided_by": shown["decided_by"],
        "reason": shown["reason"],
        "audit": [each["action"] for each in await audit.of_object(conn, screening_id)],
        "next": f"the compliance role decides by {command}"
        if state is ScreeningState.OPEN
        else shown["next_step"] or "nothing: this is its end",
    }
