"""A settlement as the API and its events show it: what became of it, and what must happen next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.domain.settlement import SettlementState
from bascule.storage import payouts, settlements, tokens
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.settlements import SettlementRow
from bascule.storage.tokens import Token

# why a settlement has no payout yet, beside the codes of policy
NO_DESTINATION = "destination_missing"
COOL_OFF = "settlement_cool_off"
LANE_CLOSED = "lane_closed"  # the vault may know of payments that these rows forgot
RECOVERED = "payout_recovered"  # the vault had its payout before the database was restored
_ACTIONS = {
    NO_DESTINATION: ("set_destination", "Name an address in the balance settings; it goes on then."),
    COOL_OFF: ("cool_off", "Name another address in the balance settings if this one is not yours."),
    RECOVERED: ("resolve_break", "It was paid before a restore: the operator resolves its break."),
}  # fmt: skip


async def describe(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The settlements with these ids, in this order; all of them exist."""
    found = await settlements.of_ids(conn, ids)
    return await describe_rows(conn, [found[id] for id in ids])


async def describe_rows(conn: Connection, rows: Sequence[SettlementRow]) -> list[dict[str, Any]]:
    """The settlements as JSON values; statements do not grow in number with them."""
    known = {token.id: token for token in await tokens.every(conn)}
    made = await payouts.of_ids(conn, [row.payout_id for row in rows if row.payout_id is not None])
    return [_shown(row, known[row.token_id], made.get(row.payout_id or "")) for row in rows]


def _shown(row: SettlementRow, token: Token, payout: PayoutRow | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "settlement",
        "period": row.period,
        "amount": TokenAmount(row.amount, token.asset).display(),
        "amount_atomic": str(row.amount),
        "currency": token.currency,
        "decimals": token.decimals,
        "token": token.id,
        "network": caip2(token.chain_id),
        "status": row.state.value,
        "to": _address(row.destination if row.payout_id is not None else None),
        "waits_for": row.waits_for,
        "next_action": _next_action(row, payout),
        "failure_code": row.failure_code,
        "payout": row.payout_id,
        "due_at": _seconds(row.due_at),
        "requested_by": row.requested_by,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "ended_at": _seconds(row.ended_at),
        "version": row.version,
    }


def _next_action(row: SettlementRow, payout: PayoutRow | None) -> Mapping[str, Any] | None:
    """Who must do what; None when nobody has to do anything."""
    if row.state is not SettlementState.SCHEDULED:
        return None
    if payout is not None:
        if payout.state is not PayoutState.REQUIRES_ACTION:
            return None
        return _action("approve_payout", f"Approvers sign {payout.id}.", payout.approval_expires_at)
    if row.waits_for in (None, LANE_CLOSED):
        return None
    if row.waits_for in _ACTIONS:
        type, next_step = _ACTIONS[row.waits_for]
        return _action(type, next_step, row.look_at if row.waits_for == COOL_OFF else None)
    return _action(
        "review_policy", f"Asked for now it is refused: {row.waits_for}. It goes on once it is allowed."
    )


def _action(type: str, next_step: str, until: datetime | None = None) -> dict[str, Any]:
    return {"type": type, "next_step": next_step, "until": _seconds(until)}


def _address(raw: Address | None) -> str | None:
    return None if raw is None else checksum(raw)


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
