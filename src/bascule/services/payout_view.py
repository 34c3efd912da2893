"""A payout as the API shows it: what must happen next, and every transaction that ever tried to pay it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain.approval import BatchApproval, PayoutApproval
from bascule.domain.chain import Address, Hash, caip2, checksum, hex32
from bascule.domain.errors import Halted, NotFound
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.services.signatories import may_sign
from bascule.storage import approvals, attempts, payouts, slots, tokens
from bascule.storage.approvals import Approval
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token


async def describe(conn: Connection, payout_id: str) -> dict[str, Any]:
    """The payout as JSON values. Raises: NotFound."""
    payout = await payouts.get(conn, payout_id)
    if payout is None:
        raise NotFound("resource_missing", f"No such payout: {payout_id}.", param="id")
    return await describe_row(conn, payout)


async def describe_row(conn: Connection, payout: PayoutRow) -> dict[str, Any]:
    """The same for a row already read in this transaction."""
    token = await token_of(conn, payout)
    text = approval_text(payout, token)
    given = await approvals.of_round(conn, payout.id, text.digest(payout.chain_id, payout.vault))
    amount = TokenAmount(payout.amount, token.asset)
    waits = payout.state is PayoutState.REQUIRES_ACTION
    return {
        "id": payout.id,
        "object": "payout",
        "amount": amount.display(),
        "amount_atomic": str(payout.amount),
        "currency": token.currency,
        "decimals": token.decimals,
        "token": token.id,
        "network": caip2(payout.chain_id),
        "destination": checksum(payout.destination),
        "to": checksum(payout.destination),
        "status": payout.state.value,
        "stuck": payout.stuck,
        "waits_for": payout.waits_for,
        "failure_code": payout.failure_code,
        "approvals": [_approval(each) for each in given],
        "approvals_required": payout.approvals_required,
        "approval_expires_at": int(payout.approval_expires_at.timestamp()),
        "policy_decision": dict(payout.policy_decision),
        "next_action": await _sign_approval(conn, payout, text, given) if waits else None,
        "batch": payout.batch_id,
        "vault": checksum(payout.vault),
        "vault_id": None if payout.vault_id is None else str(payout.vault_id),
        "transactions": await _transactions(conn, payout),
        "client_reference_id": payout.client_reference_id,
        "description": payout.description,
        "metadata": dict(payout.metadata),
        "livemode": payout.livemode,
        "created": int(payout.created_at.timestamp()),
        "paid_at": None if payout.paid_at is None else int(payout.paid_at.timestamp()),
        "evidence": _evidence(payout),
        "version": payout.version,
    }


async def token_of(conn: Connection, payout: PayoutRow) -> Token:
    """The payout's token."""
    token = await tokens.get(conn, payout.token_id)
    if token is None:
        raise Halted(f"payout {payout.id} is of token {payout.token_id}, which does not exist")
    return token


def approval_text(payout: PayoutRow, token: Token) -> PayoutApproval:
    """What approvers sign in the payout's current round; any change of it voids what was signed before."""
    return PayoutApproval(
        account=payout.account_id,
        payout=payout.id,
        token=Address(token.contract),
        to=payout.destination,
        amount=payout.amount,
        expiry=int(payout.approval_expires_at.timestamp()),
        roster_version=payout.roster_version,
    )


def batch_approval_text(batch: BatchRow) -> BatchApproval:
    """What approvers sign in the batch's current round. Raises: Halted before its content is settled."""
    if batch.leaves is None or batch.totals is None:
        raise Halted(f"it is not settled yet what batch {batch.id} pays")
    return BatchApproval(
        account=batch.account_id,
        batch=batch.id,
        totals=tuple(sorted(batch.totals.items())),
        leaves=batch.leaves,
        expiry=int(batch.approval_expires_at.timestamp()),
        roster_version=batch.roster_version,
    )


def in_round_of(payout: PayoutRow, batch: BatchRow) -> bool:
    """Whether the approvals of the batch are the payout's too: one that was asked about anew has its own."""
    return (payout.batch_id, payout.roster_version, payout.approval_expires_at) == (
        batch.id,
        batch.roster_version,
        batch.approval_expires_at,
    )


async def _sign_approval(
    conn: Connection, payout: PayoutRow, text: PayoutApproval, given: Sequence[Approval]
) -> dict[str, Any]:
    signed = {each.approver for each in given}
    return {
        "type": "sign_approval",
        "typed_data": text.typed_data(payout.chain_id, payout.vault),
        "approvers": [checksum(each) for each in sorted(await may_sign(conn, payout) - signed)],
        "approvals_missing": max(0, payout.approvals_required - len(signed)),
    }


def _approval(given: Approval) -> dict[str, Any]:
    return {"approver": checksum(given.approver), "created": int(given.created_at.timestamp())}


def _evidence(payout: PayoutRow) -> dict[str, Any] | None:
    if payout.paid_block_hash is None:
        return None
    return {"block_hash": hex32(payout.paid_block_hash), "log_index": payout.paid_log_index}


async def _transactions(conn: Connection, payout: PayoutRow) -> list[dict[str, Any]]:
    """Oldest slot first; within one slot the dearest attempt first."""
    return [
        {
            "hash": hex32(Hash(attempt.tx_hash)),
            "nonce": attempt.nonce,
            "status": attempt.state.value,
            "succeeded": attempt.succeeded,
            "block_number": attempt.block_number,
            "fees": {
                "max_fee_per_gas": str(attempt.fees.max_fee_per_gas),
                "max_priority_fee_per_gas": str(attempt.fees.max_priority_fee_per_gas),
                "paid": None if attempt.fee_paid is None else str(attempt.fee_paid),
            },
        }
        for slot in await slots.of_payout(conn, payout.id)
        for attempt in await attempts.of_slot(conn, slot)
    ]
