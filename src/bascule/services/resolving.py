"""A person ends a break: with a reason, and with the posting that mends it where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bascule.domain.breaks import BREAK, TYPES, BreakEvent, may_explain
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.services.break_view import describe
from bascule.services.breaks import Breaks
from bascule.services.outbox import Outbox
from bascule.storage import audit, breaks, ledger
from bascule.storage.database import Connection


async def resolve(
    conn: Connection,
    outbox: Outbox,
    break_id: str,
    *,
    reason: str,
    actor: str,
    transaction: int | None = None,
    livemode: bool | None = None,
    context: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The break, ended, audited and told, in the caller's transaction; what it froze is free with the commit.

    transaction: the ledger transaction that mends it; livemode: None for whoever sees both modes.
    Raises: NotFound; Rejected `parameter_missing`, `transaction_unknown`; Conflict `break_unexpected_state`
    when it has ended, `break_ends_otherwise` when no explanation can end it.
    """
    if not reason.strip():
        raise Rejected("parameter_missing", "A break ends for a reason.", param="reason")
    row = await breaks.lock(conn, break_id)
    if row is None or (livemode not in (None, row.livemode) and row.livemode is not None):
        raise NotFound("resource_missing", f"No such break: {break_id}.", param="id")
    BREAK.step(row.state, BreakEvent.RESOLVE)
    if not may_explain(row.type):
        kind = TYPES[row.type]
        raise Conflict(
            "break_ends_otherwise",
            f"A {row.type} is not ended by an explanation: {kind.ends.sentence}.",
            next_step=kind.fix,
        )
    if transaction is not None and not await ledger.touches(conn, transaction, row.token_id):
        raise Rejected(
            "transaction_unknown",
            f"No transaction {transaction} of the journal books the money of this break.",
            param="transaction",
        )
    resolution = {"by": actor, "reason": reason, "transaction": transaction}
    ended = await Breaks(outbox).resolve(conn, row, resolution, request=context)
    assert ended is not None, "it was open, and is locked"
    details = resolution | {"type": row.type, "subject": row.subject, "amount": _text(row.amount)}
    request_id = None if context is None else context.get("id")
    await audit.append(
        conn, actor=actor, action="break.resolve", object_id=row.id, details=details, request_id=request_id
    )
    [shown] = await describe(conn, [ended], outbox.clock.now())
    return shown


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
