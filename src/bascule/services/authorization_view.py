"""Authorizations as the API shows them."""

from __future__ import annotations

from typing import Any

from bascule.domain.chain import caip2, checksum, hex32
from bascule.domain.errors import NotFound
from bascule.domain.money import display_units
from bascule.storage import authorizations
from bascule.storage.authorizations import AuthorizationRow
from bascule.storage.database import Connection


async def own(conn: Connection, id: str, account_id: str, livemode: bool) -> AuthorizationRow:
    """The account's authorization. Raises: NotFound, also when it is another's."""
    row = await authorizations.get(conn, id)
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such authorization: {id!r:.70}.", param="id")
    return row


def described(row: AuthorizationRow) -> dict[str, Any]:
    """The authorization as it is now; the payer's signature is nobody's to read."""
    return {
        "id": row.id,
        "object": "authorization",
        "network": caip2(row.chain_id),
        "token": row.token_id,
        "contract": checksum(row.contract),
        "currency": row.currency,
        "amount": display_units(row.signed.amount, row.decimals),
        "amount_atomic": str(row.signed.amount),
        "payer": checksum(row.signed.payer),
        "pay_to": checksum(row.signed.pay_to),
        "nonce": "0x" + row.signed.nonce.hex(),
        "valid_after": str(row.signed.valid_after),
        "valid_before": str(row.signed.valid_before),
        "payment_identifier": row.identifier,
        "resource": row.resource,
        "status": str(row.state),
        "failure_code": row.failure_code,
        "waits_for": row.waits_for,
        "deposit": row.deposit_id,
        "tx_hash": None if row.paid_by is None else hex32(row.paid_by),
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "ended_at": None if row.ended_at is None else int(row.ended_at.timestamp()),
        "version": row.version,
    }
