"""A refund as the API and its events show it: what became of it, and what must happen next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.domain.refund import REFUND, RefundState
from bascule.services.lost_bytes import UNSETTLED
from bascule.storage import payouts, refunds, tokens
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.refunds import RefundRow
from bascule.storage.tokens import Token

FUNDS = "insufficient_funds"
SCREENED = "screening"  # who sent the deposit that goes back stands on a list
RECOVERED = "payout_recovered"  # the vault had its payout before the database was restored
NOBODY = (RECOVERED, SCREENED, UNSETTLED)  # nobody who reads of it can end that


async def describe(conn: Connection, ids: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """The refunds with these ids, in this order; all of them exist."""
    found = await refunds.of_ids(conn, ids)
    return await describe_rows(conn, [found[id] for id in ids], now)


async def describe_rows(conn: Connection, rows: Sequence[RefundRow], now: datetime) -> list[dict[str, Any]]:
    """The refunds as JSON values; statements do not grow in number with them."""
    known = {token.id: token for token in await tokens.every(conn)}
    made = await payouts.of_ids(conn, [row.payout_id for row in rows if row.payout_id is not None])
    return [_shown(row, known[row.token_id], made.get(row.payout_id or ""), now) for row in rows]


def _shown(row: RefundRow, token: Token, payout: PayoutRow | None, now: datetime) -> dict[str, Any]:
    amount = TokenAmount(row.amount, token.asset)
    return {
        "id": row.id,
        "object": "refund",
        "payment_intent": row.payment_intent_id,
        "deposit": row.deposit_id,
        "amount": amount.display(),
        "amount_atomic": str(row.amount),
        "currency": token.currency,
        "decimals": token.decimals,
        "token": token.id,
        "network": caip2(token.chain_id),
        "status": row.state.value,
        "destination": {
            "mode": "claim_link" if row.payer is None else "verified_payer",
            "to": _address(row.destination),
            "payer": _address(row.payer),
            "claim_expires_at": _seconds(row.claim_expires_at),
            "claimed_at": _seconds(row.claimed_at),
            "pays_at": _seconds(row.pays_at),
        },
        "waits_for": None if row.state in REFUND.finals else row.waits_for,
        "next_action": _next_action(row, amount, payout, now),
        "failure_code": row.failure_code,
        "payout": row.payout_id,
        "reason": row.reason,
        "client_reference_id": row.client_reference_id,
        "description": row.description,
        "metadata": dict(row.metadata),
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "ended_at": _seconds(row.ended_at),
        "version": row.version,
    }


def _next_action(
    row: RefundRow, amount: TokenAmount, payout: PayoutRow | None, now: datetime
) -> Mapping[str, Any] | None:
    """Who must do what; None when nobody has to do anything."""
    if row.waits_for in NOBODY:
        return None
    if row.state is RefundState.REQUIRES_ACTION:
        return _action("claim", "Send the claim link to the customer.", until=row.claim_expires_at)
    if row.state is not RefundState.PENDING:
        return None
    if payout is not None:
        if payout.state is not PayoutState.REQUIRES_ACTION:
            return None
        return _action("approve_payout", f"Approvers sign {payout.id}.", until=payout.approval_expires_at)
    if row.waits_for == FUNDS:
        needed = f"{amount.display()} {amount.asset.currency.upper()}"
        return _action(
            "add_funds", f"The account needs {needed} available; the refund goes on by itself then."
        )
    if row.waits_for is not None:
        return _action(
            "review_policy", f"The policy says {row.waits_for}; the refund goes on once it allows it."
        )
    if row.pays_at is not None and row.pays_at > now:
        return _action(
            "cool_off", "Cancel the refund if the address is not the customer's.", until=row.pays_at
        )
    return None


def _action(type: str, next_step: str, *, until: datetime | None = None) -> dict[str, Any]:
    """url: said by whoever may know the link."""
    return {"type": type, "next_step": next_step, "until": _seconds(until), "url": None}


def _address(raw: Address | None) -> str | None:
    return None if raw is None else checksum(raw)


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
