"""A mandate as the API shows it: what it allows, who signed it and who must."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.mandate import MandateState
from bascule.domain.money import TokenAmount
from bascule.services.mandate_rounds import DAY, text_of
from bascule.services.signatories import signatories
from bascule.storage import approvals, mandates, policies, tokens
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow
from bascule.storage.tokens import Token


async def describe_row(conn: Connection, row: MandateRow, now: datetime) -> dict[str, Any]:
    """A mandate as the API shows it, with what was asked for under it in 24 hours."""
    token = await token_of(conn, row)
    signed = (await mandates.approvals_of(conn, [row.id]))[row.id]
    spent = await mandates.spent_since(conn, [row.id], now - DAY)

    def shown(units: int) -> str:
        return TokenAmount(units, token.asset).display()

    return {
        "id": row.id,
        "object": "mandate",
        "kind": row.kind,
        "status": row.state.value,
        "network": caip2(row.chain_id),
        "token": row.token_id,
        "currency": token.currency,
        "destination": row.destination,
        "vault": checksum(row.vault),
        "max_per_item": shown(row.max_per_item),
        "max_per_day": shown(row.max_per_day),
        "spent_today": shown(spent.get(row.id, 0)),
        "expires_at": int(row.expires_at.timestamp()),
        "approvals": [
            {"approver": checksum(each.approver), "created": int(each.created_at.timestamp())}
            for each in signed
        ],
        "approvals_required": row.approvals_required,
        "next_action": await _sign_approval(conn, row, {each.approver for each in signed}),
        "description": row.description,
        "created_by": row.requested_by,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "version": row.version,
    }


async def _sign_approval(conn: Connection, row: MandateRow, signed: set[Address]) -> dict[str, Any] | None:
    if row.state is not MandateState.REQUIRES_ACTION:
        return None
    people = await may_sign(conn, row)
    text = text_of(row, await token_of(conn, row))
    return {
        "type": "sign_approval",
        "typed_data": text.typed_data(row.chain_id, row.vault),
        "approvers": [checksum(each) for each in sorted(people - signed)],
        "approvals_missing": max(0, row.approvals_required - len(signed & people)),
    }


async def may_sign(conn: Connection, row: MandateRow) -> frozenset[Address]:
    """Of the approvers of now those whom the policy of now names, without who asked for it."""
    ruling = await policies.current(conn, row.account_id, row.livemode, row.token_id)
    version = await approvals.roster_version(conn, row.account_id) or 0
    return await signatories(conn, row.account_id, version, ruling.rules if ruling else None, row.maker)


async def token_of(conn: Connection, row: MandateRow) -> Token:
    """The mandate's token."""
    token = await tokens.get(conn, row.token_id)
    assert token is not None, "a mandate's token is for ever"
    return token
