"""Tells what happened to a payout, in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.payout_view import describe_row
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow


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
    shown = await describe_row(conn, now)
    changed = before is not None and before.state is not now.state
    await outbox.append(
        conn,
        account_id=now.account_id,
        livemode=now.livemode,
        type=type,
        object_id=now.id,
        object_version=now.version,
        object=shown,
        previous={"status": before.state.value} if changed and before is not None else None,
        request=request,
    )
    return shown
