"""Whether everything that became of payouts was told: judged by the transition table and the outbox alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bascule.domain.payout import PAYOUT, PayoutState
from bascule.domain.payout_told import fitting
from bascule.storage.database import Database


async def require_told(db: Database | None) -> None:
    """Every payout's events lead from its birth to where it stands, one move of the table at a time.

    db: None where a test changed rows behind everybody's back.
    """
    if db is None:
        return
    async with db.read() as conn:
        rows = await (await conn.execute("SELECT id, state FROM payouts")).fetchall()
        told = await (
            await conn.execute(
                "SELECT object_id, type, object->>'status', object FROM outbox"
                " WHERE type LIKE 'payout.%' ORDER BY object_id, id"
            )
        ).fetchall()
    events: dict[str, list[tuple[str, PayoutState, Mapping[str, Any]]]] = {}
    for payout_id, type, status, shown in told:
        events.setdefault(payout_id, []).append((type, PayoutState(status), shown))
    for payout_id, state in rows:
        _require_chain(payout_id, PayoutState(state), events.get(payout_id, []))


def _require_chain(
    payout_id: str, state: PayoutState, told: Sequence[tuple[str, PayoutState, Mapping[str, Any]]]
) -> None:
    at: PayoutState | None = None
    for type, status, shown in told:
        if at is None:
            assert type == "payout.created", f"{payout_id} began with {type}"
            assert status in PAYOUT.initial, f"{payout_id} was born {status}"
        elif status is not at:
            moves = fitting(at, status)
            assert moves, f"{payout_id} went from {at} to {status} and nobody told what was between"
            assert type in moves, f"{payout_id} went from {at} to {status}, told as {type}"
        if type == "payout.paid":
            assert shown["evidence"]["ground"] == "paid", f"{payout_id} is paid, its event names no block"
        if status in (PayoutState.IN_TRANSIT, PayoutState.PAID):
            assert shown["vault_id"] is not None, f"{payout_id} is {status}, its event names no vault id"
        at = status
    assert at is state, f"{payout_id} is {state}, and was last told to be {at}"
