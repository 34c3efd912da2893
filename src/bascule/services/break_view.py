"""A break as the API, events and the command line show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bascule.domain.breaks import TYPES, BreakState
from bascule.domain.chain import caip2
from bascule.domain.money import TokenAmount
from bascule.storage import tokens
from bascule.storage.breaks import Break
from bascule.storage.database import Connection
from bascule.storage.tokens import Token


async def describe(conn: Connection, rows: Sequence[Break], now: datetime) -> list[dict[str, Any]]:
    """Breaks with what their types say of them. age: seconds they were open, until now if they are."""
    known = {token.id: token for token in await tokens.every(conn)}
    return [_shown(row, known.get(row.token_id or ""), now) for row in rows]


def _shown(row: Break, token: Token | None, now: datetime) -> dict[str, Any]:
    kind = TYPES[row.type]
    open_until = now if row.resolved_at is None else row.resolved_at
    return {
        "id": row.id,
        "object": "break",
        "type": row.type,
        "status": row.state.value,
        "means": kind.means,
        "subject": row.subject,
        "network": None if row.chain_id is None else caip2(row.chain_id),
        "token": row.token_id,
        "currency": None if token is None else token.currency,
        "amount": None if token is None or row.amount is None else _signed(row.amount, token),
        "amount_atomic": None if row.amount is None else str(row.amount),
        "evidence": dict(row.evidence),
        "owner": kind.owner.value,
        "proposed_fix": kind.fix,
        "ends": kind.ends.value,
        "freezes_payouts": row.freezes and row.state is BreakState.OPEN,
        "age": int((open_until - row.opened_at).total_seconds()),
        "created": int(row.opened_at.timestamp()),
        "seen": int(row.seen_at.timestamp()),
        "resolved_at": None if row.resolved_at is None else int(row.resolved_at.timestamp()),
        "resolution": None if row.resolution is None else dict(row.resolution),
        "livemode": row.livemode,
    }


def _signed(units: int, token: Token) -> str:
    shown = TokenAmount(abs(units), token.asset).display()
    return f"-{shown}" if units < 0 else shown
