"""A batch of payouts as the API's login writes it: asked for, approved by one signature each, held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bascule.domain.approval import BatchApproval, BatchItem
from bascule.domain.chain import Address, parse_address
from bascule.domain.webhook import EventType
from bascule.services.approval_rounds import batch_approval_text
from bascule.services.payout_events import tell
from bascule.storage import ledger, payout_batches, payouts, policies
from bascule.storage.payout_batches import BatchRow, NewBatch
from bascule.storage.payouts import NewPayout
from tests.support.money_out import Treasury, approver, payee, sign_typed


async def batch_of(
    stage: Treasury, amounts: Sequence[int], *, by: Sequence[int] = (1, 2), batch_id: str = "pob_1"
) -> list[str]:
    """Payouts of so many base units, pending after `by` approved them together; their ids in order."""
    now = stage.clock.now()
    end = (now + timedelta(days=3)).replace(microsecond=0)
    token, vault = Address(stage.token.contract), parse_address(stage.vault)
    items = [
        BatchItem(f"po_{batch_id}_{n}", token, parse_address(payee(1_000 + n)), amount)
        for n, amount in enumerate(amounts)
    ]
    text = BatchApproval.of(stage.operator, batch_id, items, expiry=int(end.timestamp()), roster_version=1)
    async with stage.api.transaction() as conn:
        ruling = await policies.current(conn, stage.operator, False, stage.token.id)
        batch = await payout_batches.insert(
            conn,
            NewBatch(
                id=batch_id,
                account_id=stage.operator,
                livemode=False,
                chain_id=stage.network.chain_id,
                vault=vault,
                leaves=text.leaves,
                totals=dict(text.totals),
                approvals_required=2,
                approval_expires_at=end,
                roster_version=1,
                requested_by="key_test",
                created_at=now,
            ),
        )
        assert batch is not None
        assert batch_approval_text(batch) == text
        digest = text.digest(batch.chain_id, vault)
        for number in by:
            signed = sign_typed(approver(number), text.typed_data(batch.chain_id, vault, items))
            await payout_batches.insert_approval(
                conn,
                batch_id,
                approver=parse_address(approver(number).address),
                digest=digest,
                signature=bytes.fromhex(signed[2:]),
            )
        for place, item in enumerate(items):
            row = await payouts.insert(
                conn, _payout(stage, batch, item, place, ruling.id if ruling else None)
            )
            assert row is not None
            await tell(conn, stage.use_cases.outbox, EventType.PAYOUT_CREATED, row)
            pending = await payouts.advance_to_pending(conn, row)
            await ledger.post_hold(conn, item.payout)
            await tell(conn, stage.use_cases.outbox, EventType.PAYOUT_APPROVED, pending, before=row)
    return [item.payout for item in items]


def _payout(
    stage: Treasury, batch: BatchRow, item: BatchItem, place: int, policy_id: str | None
) -> NewPayout:
    return NewPayout(
        id=item.payout,
        account_id=stage.operator,
        livemode=False,
        identity=f"{batch.id}/{place}",
        token_id=stage.token.id,
        chain_id=batch.chain_id,
        vault=batch.vault,
        destination=item.to,
        amount=item.amount,
        approvals_required=2,
        approval_expires_at=batch.approval_expires_at,
        roster_version=1,
        policy_decision={"rule": "policy", "reasons": []},
        policy_id=policy_id,
        client_reference_id=None,
        description=None,
        metadata={},
        requested_by="key_test",
        maker=None,
        created_at=batch.created_at,
        batch_id=batch.id,
        batch_position=place,
    )
