"""Batches that people approved as a whole, as the signer is told of them, right unless changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from eth_account import Account
from eth_account.messages import encode_typed_data

from bascule.domain.approval import BatchApproval, BatchItem
from bascule.domain.chain import Address
from bascule.services.signing_intents import ApprovedBatch, BatchPlace, PayItem
from tests.support.money_out import approver
from tests.support.signing import ACCOUNT, CHAIN, TOKEN, VAULT, Desk


def batch_items(count: int, *, amount: int = 100, batch: str = "po") -> list[BatchItem]:
    """Payouts po_0, po_1, … of so much each."""
    return [
        BatchItem(f"{batch}_{n}", TOKEN, Address(bytes([0x50 + n]) * 20), amount) for n in range(count)
    ]  # fmt: skip


def approved(
    desk: Desk,
    items: Sequence[BatchItem],
    *,
    batch_id: str = "pob_1",
    account: str = ACCOUNT,
    by: Sequence[int] = (1, 2),
    vault: Address = VAULT,
    roster_version: int = 1,
    lasts: timedelta = timedelta(days=1),
    totals: tuple[tuple[Address, int], ...] | None = None,
) -> ApprovedBatch:
    """What `by` signed for the items in this order, with a wallet's own EIP-712 code."""
    expiry = int((desk.clock.now() + lasts).timestamp())
    text = BatchApproval.of(account, batch_id, items, expiry=expiry, roster_version=roster_version)
    if totals is not None:
        text = BatchApproval(account, batch_id, totals, text.leaves, expiry, roster_version)
    message = encode_typed_data(full_message=text.typed_data(CHAIN, vault, items))
    signatures = [Account.sign_message(message, approver(n).private_key).signature for n in by]
    return ApprovedBatch(
        batch_id=batch_id,
        account_id=account,
        totals=text.totals,
        leaves=text.leaves,
        expiry=expiry,
        roster_version=roster_version,
        approvals=tuple(map(bytes, signatures)),
    )


def placed(
    items: Sequence[BatchItem], *, at: Sequence[int], batch: int = 0, account: str = ACCOUNT, bit: int = 0
) -> tuple[PayItem, ...]:
    """The items at these places, in bits of the word from `bit` on."""
    return tuple(
        PayItem(
            payout_id=items[place].payout,
            account_id=account,
            reference=f"reference {items[place].payout}",
            position=bit + n,
            to=items[place].to,
            amount=items[place].amount,
            batch=BatchPlace(batch, place),
        )
        for n, place in enumerate(at)
    )
