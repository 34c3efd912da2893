"""A payout as the API shows it: what must happen next, and every transaction that ever tried to pay it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain.acts_next import recorded
from bascule.domain.chain import Address, Hash, caip2, checksum, hex32
from bascule.domain.errors import NotFound
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.services import approval_rounds
from bascule.services.approval_rounds import Round, tokens_of
from bascule.services.signatories import may_sign_each
from bascule.storage import attempts, cancels, negatives, payouts, screenings
from bascule.storage.approvals import Approval
from bascule.storage.attempts import Attempt
from bascule.storage.cancels import Request
from bascule.storage.database import Connection
from bascule.storage.negatives import Negative
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token

COIN_DECIMALS = 18  # of every chain that counts gas in wei
_STOPPABLE = (PayoutState.REQUIRES_ACTION, PayoutState.PENDING)
_UNPAID = (PayoutState.FAILED, PayoutState.CANCELED)


async def describe(conn: Connection, payout_id: str) -> dict[str, Any]:
    """The payout as JSON values. Raises: NotFound."""
    payout = await payouts.get(conn, payout_id)
    if payout is None:
        raise NotFound("resource_missing", f"No such payout: {payout_id}.", param="id")
    return await describe_row(conn, payout)


async def describe_row(conn: Connection, payout: PayoutRow) -> dict[str, Any]:
    """The same for a row already read in this transaction."""
    [shown] = await describe_rows(conn, [payout])
    return shown


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of some payouts in the same transaction. before: those that stood in a slot before."""

    of_token: dict[str, Token]
    rounds: Mapping[str, Round]
    before: Sequence[str]


async def describe_rows(
    conn: Connection, rows: Sequence[PayoutRow], known: Known | None = None
) -> list[dict[str, Any]]:
    """The same for several; statements do not grow in number with them."""
    if known is None:
        of_token = await tokens_of(conn, rows)
        rounds = await approval_rounds.of_payouts(conn, rows, of_token)
        known = Known(of_token, rounds, [payout.id for payout in rows if payout.vault_id is not None])
    tried = await attempts.of_payouts(conn, known.before) if known.before else {}
    called_off = await cancels.of_payouts(conn, known.before) if known.before else {}
    waits = [payout for payout in rows if payout.state is PayoutState.REQUIRES_ACTION]
    signers = await may_sign_each(conn, waits)
    unpaid = [row.id for row in rows if row.state in _UNPAID and row.vault_id is not None]
    never = await negatives.grounds(conn, unpaid) if unpaid else {}
    early = [row.id for row in rows if row.state in _STOPPABLE]
    held = await screenings.holding_payouts(conn, early) if early else frozenset()
    return [
        _shown(
            payout,
            known.of_token[payout.token_id],
            known.rounds[payout.id],
            tried.get(payout.id, ()),
            called_off.get(payout.id),
            signers.get(payout.id),
            never.get(payout.id),
            held=payout.id in held,
        )
        for payout in rows
    ]


def _shown(
    payout: PayoutRow,
    token: Token,
    round: Round,
    tried: Sequence[Attempt],
    called_off: Request | None,
    signers: frozenset[Address] | None,
    never: Negative | None,
    *,
    held: bool,
) -> dict[str, Any]:
    """signers: whose approvals it waits for; None when it waits for none; never: why it cannot be paid;
    held: screening holds it.
    """
    amount = TokenAmount(payout.amount, token.asset)
    return {
        "id": payout.id,
        "object": "payout",
        "amount": amount.display(),
        "amount_atomic": str(payout.amount),
        "currency": token.currency,
        "decimals": token.decimals,
        "token": token.id,
        "network": caip2(payout.chain_id),
        "network_decision": None if payout.network_decision is None else dict(payout.network_decision),
        "destination": payout.destination_id or checksum(payout.destination),
        "to": checksum(payout.destination),
        "status": payout.state.value,
        "stuck": payout.stuck,
        "waits_for": "screening" if held else payout.waits_for,
        "failure_code": payout.failure_code,
        "lapse_reason": payout.lapse_reason if payout.state is PayoutState.REQUIRES_ACTION else None,
        "approvals": [_approval(each) for each in round.counts(payout.approvals_required)],
        "approvals_required": payout.approvals_required,
        "approval_expires_at": int(payout.approval_expires_at.timestamp()),
        "policy_decision": recorded(payout.policy_decision),
        "next_action": None if signers is None else _sign_approval(payout, round, signers),
        "mandate": payout.mandate_id,
        "batch": payout.batch_id,
        "vault": checksum(payout.vault),
        "vault_id": None if payout.vault_id is None else str(payout.vault_id),
        "cancellation": None if called_off is None else _cancellation(called_off),
        "transactions": [_transaction(attempt) for attempt in tried],
        "fee_details": [_network_fee(attempt) for attempt in tried if attempt.fee_paid is not None],
        "client_reference_id": payout.client_reference_id,
        "description": payout.description,
        "metadata": dict(payout.metadata),
        "livemode": payout.livemode,
        "created": int(payout.created_at.timestamp()),
        "paid_at": None if payout.paid_at is None else int(payout.paid_at.timestamp()),
        "evidence": _evidence(payout, never),
        "reissue_of": payout.reissue_of,
        "version": payout.version,
    }


def shown_before(shown: Mapping[str, Any], tx_hash: Hash, before: Attempt | None) -> dict[str, Any]:
    """What of a payout was shown otherwise before one of its transactions changed.

    before: that transaction as it was; None when it was not there.
    """
    changed = hex32(tx_hash)
    fees = {each["transaction"]: each for each in shown["fee_details"] if each["transaction"] != changed}
    if before is not None and before.fee_paid is not None:
        fees[changed] = _network_fee(before)
    stood = [each for each in shown["transactions"] if before is not None or each["hash"] != changed]
    was = {
        "transactions": [
            _transaction(before) if before is not None and each["hash"] == changed else each for each in stood
        ],
        "fee_details": [fees[each["hash"]] for each in stood if each["hash"] in fees],
    }
    return {name: value for name, value in was.items() if value != shown[name]}


def _sign_approval(payout: PayoutRow, round: Round, signers: frozenset[Address]) -> dict[str, Any]:
    signed = {each.approver for each in round.counts(payout.approvals_required)}
    return {
        "type": "sign_approval",
        "typed_data": round.text.typed_data(payout.chain_id, payout.vault),
        "approvers": [checksum(each) for each in sorted(signers - signed)],
        "approvals_missing": max(0, payout.approvals_required - len(signed)),
    }


def _approval(given: Approval) -> dict[str, Any]:
    return {"approver": checksum(given.approver), "created": int(given.created_at.timestamp())}


def _evidence(payout: PayoutRow, never: Negative | None) -> dict[str, Any] | None:
    """The fact of a final block that ended it; what proves that is at the URL."""
    if payout.paid_block_hash is not None:
        ground, block_hash, log_index = "paid", payout.paid_block_hash, payout.paid_log_index
    elif never is not None:
        ground, block_hash, log_index = never.ground, never.block_hash, never.log_index
    else:
        return None
    return {
        "outcome": "paid" if ground == "paid" else "never_paid",
        "ground": ground,
        "block_hash": hex32(block_hash),
        "log_index": log_index,
        "url": f"/v1/payouts/{payout.id}/evidence",
    }


def _cancellation(request: Request) -> dict[str, Any]:
    return {"status": request.outcome, "requested_at": int(request.requested_at.timestamp())}


def _network_fee(attempt: Attempt) -> dict[str, Any]:
    """What a transaction took of the chain's coin, for all payouts in it."""
    return {
        "type": "network_fee",
        "amount_atomic": str(attempt.fee_paid),
        "decimals": COIN_DECIMALS,
        "transaction": hex32(Hash(attempt.tx_hash)),
        "paid_by": "operator",
    }


def _transaction(attempt: Attempt) -> dict[str, Any]:
    return {
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
