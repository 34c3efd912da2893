"""How far a batch is: it ends in the transaction in which the last of its payouts does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bascule.domain.payout import PAYOUT, PayoutState
from bascule.domain.payout_batch import BatchEvent, BatchState
from bascule.domain.webhook import EventType
from bascule.services.batch_view import describe_batch
from bascule.services.outbox import Outbox
from bascule.storage import payout_batches
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow

_TOLD = {
    BatchEvent.EXPIRE: EventType.BATCH_CANCELED,
    BatchEvent.COMPLETE: EventType.BATCH_COMPLETED,
    BatchEvent.FALL_SHORT: EventType.BATCH_COMPLETED_WITH_FAILURES,
}


async def end_batches(conn: Connection, outbox: Outbox, batch_ids: Iterable[str]) -> None:
    """Ends those of the batches whose payouts have all ended; payouts are locked before their batch is.

    A batch that waits for approvals may be locked by who approves it and waits for one of its payouts: it is
    passed over then, as it is not over.
    """
    for batch_id in sorted(batch_ids):
        known = await payout_batches.get(conn, batch_id)
        if known is None or known.state not in (BatchState.REQUIRES_ACTION, BatchState.PROCESSING):
            continue
        waits = known.state is BatchState.REQUIRES_ACTION
        batch = await (payout_batches.lock_if_free if waits else payout_batches.lock)(conn, batch_id)
        if batch is None:
            continue
        counted = await payout_batches.progress(conn, batch_id)
        if set(counted) <= PAYOUT.finals and (event := _end(batch, counted)) is not None:
            now = batch
            if batch.state is BatchState.REQUIRES_ACTION and event is not BatchEvent.EXPIRE:
                # people approved its payouts one by one
                now = await payout_batches.advance(conn, batch, BatchEvent.APPROVE)
            ended = await payout_batches.advance(conn, now, event)
            await tell_batch(conn, outbox, _TOLD[event], ended, batch, None)


def _end(batch: BatchRow, counted: Mapping[PayoutState, int]) -> BatchEvent | None:
    if batch.state not in (BatchState.REQUIRES_ACTION, BatchState.PROCESSING):
        return None
    if batch.state is BatchState.REQUIRES_ACTION and set(counted) == {PayoutState.CANCELED}:
        return BatchEvent.EXPIRE
    return BatchEvent.COMPLETE if set(counted) == {PayoutState.PAID} else BatchEvent.FALL_SHORT


async def tell_batch(
    conn: Connection,
    outbox: Outbox,
    type: EventType,
    now: BatchRow,
    before: BatchRow | None,
    request: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Appends the event with the batch as it stands, without what is signed; returns the same."""
    shown = await describe_batch(conn, now, typed_data=False)
    await outbox.append(
        conn,
        account_id=now.account_id,
        livemode=now.livemode,
        type=type,
        object_id=now.id,
        object_version=now.version,
        object=shown,
        previous=None if before is None else {"status": before.state.value},
        request=request,
    )
    return shown
