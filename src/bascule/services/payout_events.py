"""Tells what happened to a payout, in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bascule.domain import payout_told
from bascule.domain.chain import Hash
from bascule.domain.payout import PAYOUT, PayoutState
from bascule.domain.webhook import EventType
from bascule.services.batch_progress import end_batches
from bascule.services.outbox import Happening, Outbox
from bascule.services.payout_view import Known, describe_rows, shown_before
from bascule.storage import payouts, slots
from bascule.storage.attempts import Attempt
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.slots import Slot


async def tell(
    conn: Connection,
    outbox: Outbox,
    type: EventType,
    now: PayoutRow,
    *,
    before: PayoutRow | None = None,
    request: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Appends the event with the payout as it stands; returns the payout as the API shows it."""
    [shown] = await tell_all(
        conn, outbox, type, [now], before=before.state if before is not None else None, request=request
    )
    return shown


async def tell_all(
    conn: Connection,
    outbox: Outbox,
    type: EventType,
    now: Sequence[PayoutRow],
    *,
    before: PayoutState | None = None,
    request: Mapping[str, Any] | None = None,
    known: Known | None = None,
) -> list[dict[str, Any]]:
    """The same of several payouts to which the same happened, in this order; a move by the event it has."""
    assert all(
        before in (None, row.state) or type in payout_told.fitting(before, row.state) for row in now
    ), f"{type} does not tell what became of a payout that was {before}"
    shown = await describe_rows(conn, now, known)
    await outbox.append_many(
        conn,
        [
            Happening(
                account_id=row.account_id,
                livemode=row.livemode,
                type=type,
                object_id=row.id,
                object_version=row.version,
                object=told,
                previous={"status": before.value} if before is not None and before is not row.state else None,
                request=request,
            )
            for row, told in zip(now, shown, strict=True)
        ],
    )
    if ended := {row.batch_id for row in now if row.batch_id is not None and row.state in PAYOUT.finals}:
        await end_batches(conn, outbox, ended)
    return shown


async def tell_attempt(
    conn: Connection, outbox: Outbox, slot: Slot, tx_hash: Hash, before: Attempt | None
) -> None:
    """Tells payouts in transit in a locked slot what became of a transaction that is to pay them.

    before: that transaction as it stood; None when it came just now, to replace those there were.
    """
    now = await payouts.count_change(conn, [item.payout_id for item in await slots.items(conn, slot)])
    shown = await describe_rows(conn, now)
    await outbox.append_many(
        conn,
        [
            Happening(
                account_id=row.account_id,
                livemode=row.livemode,
                type=EventType.PAYOUT_REPLACED if before is None else EventType.PAYOUT_UPDATED,
                object_id=row.id,
                object_version=row.version,
                object=told,
                previous=shown_before(told, tx_hash, before),
            )
            for row, told in zip(now, shown, strict=True)
        ],
    )
