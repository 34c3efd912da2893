"""A payout batch as the API shows it: what it pays, how far it is, who must act next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bascule.domain.acts_next import recorded
from bascule.domain.approval import BatchItem
from bascule.domain.chain import Address, caip2, checksum
from bascule.domain.money import TokenAmount
from bascule.domain.payout import PayoutState
from bascule.domain.payout_batch import BatchState
from bascule.domain.payout_file import Problem
from bascule.services.approval_rounds import batch_approval_text, in_round_of
from bascule.services.signatories import may_sign
from bascule.storage import payout_batches, payouts, tokens
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payouts import PayoutRow
from bascule.storage.tokens import Token


async def describe_batch(conn: Connection, batch: BatchRow, *, typed_data: bool = True) -> dict[str, Any]:
    """The batch as JSON values. typed_data: with what approvers sign, which names every payout of it."""
    digest = batch_approval_text(batch).digest(batch.chain_id, batch.vault)
    given = await payout_batches.approvals_of_round(conn, batch.id, digest)
    counted = await payout_batches.progress(conn, batch.id)
    action = None
    rows = await payouts.of_batch(conn, batch.id) if typed_data and _asks(batch, counted) else []
    if rows and (
        batch.state is BatchState.REQUIRES_ACTION or any(_asked_together(row, batch) for row in rows)
    ):
        signed = {each.approver for each in given}
        action = {
            "type": "sign_approval",
            "typed_data": await _typed_data(conn, batch, rows),
            "approvers": [checksum(each) for each in sorted(await signers_of(conn, batch, rows) - signed)],
            "approvals_missing": max(0, batch.approvals_required - len(signed)),
        }
    return {
        "id": batch.id,
        "object": "payout_batch",
        "status": batch.state.value,
        "mode": batch.mode,
        "network": caip2(batch.chain_id),
        "count": sum(counted.values()),
        "totals": await shown_totals(conn, batch.chain_id, batch.totals or {}),
        "progress": {state.value: counted.get(state, 0) for state in PayoutState},
        "errors": [dict(each) for each in batch.left_out],
        "approvals": [
            {"approver": checksum(each.approver), "created": int(each.created_at.timestamp())}
            for each in given
        ],
        "approvals_required": batch.approvals_required,
        "approval_expires_at": int(batch.approval_expires_at.timestamp()),
        "policy_decision": recorded(batch.policy_decision) if batch.policy_decision else None,
        "next_action": action,
        "batch_key": batch.identity,
        "description": batch.description,
        "livemode": batch.livemode,
        "created": int(batch.created_at.timestamp()),
        "version": batch.version,
    }


def _asks(batch: BatchRow, counted: Mapping[PayoutState, int]) -> bool:
    """Whether people may have to sign for it: at first, or again after their approvals were over."""
    again = batch.state is BatchState.PROCESSING and counted.get(PayoutState.REQUIRES_ACTION, 0) > 0
    return again or batch.state is BatchState.REQUIRES_ACTION


def _asked_together(row: PayoutRow, batch: BatchRow) -> bool:
    return row.state is PayoutState.REQUIRES_ACTION and in_round_of(row, batch)


async def signers_of(conn: Connection, batch: BatchRow, rows: Sequence[PayoutRow]) -> frozenset[Address]:
    """Who may approve every payout of a batch."""
    one_of_each = {(row.policy_id, row.roster_version): row for row in rows}
    each = [await may_sign(conn, row) for row in one_of_each.values()]
    return frozenset.intersection(*each) if each else frozenset()


async def shown_totals(
    conn: Connection, chain_id: int, totals: Mapping[Address, int]
) -> list[dict[str, Any]]:  # fmt: skip
    """The sum of each token."""
    known = {token.contract: token for token in await tokens.every(conn) if token.chain_id == chain_id}
    return [_total(known[contract], units) for contract, units in sorted(totals.items())]


def problem(found: Problem) -> dict[str, Any]:
    """What is wrong with a line."""
    return {
        "line": found.line,
        "column": found.column,
        "code": found.code,
        "message": found.message,
        "value": found.value,
    }


def _total(token: Token, units: int) -> dict[str, Any]:
    return {
        "token": token.id,
        "currency": token.currency,
        "decimals": token.decimals,
        "amount": TokenAmount(units, token.asset).display(),
        "amount_atomic": str(units),
    }


async def _typed_data(conn: Connection, batch: BatchRow, rows: Sequence[PayoutRow]) -> dict[str, Any]:
    contract = {token.id: Address(token.contract) for token in await tokens.every(conn)}
    items = [BatchItem(row.id, contract[row.token_id], row.destination, row.amount) for row in rows]
    return batch_approval_text(batch).typed_data(batch.chain_id, batch.vault, items)
