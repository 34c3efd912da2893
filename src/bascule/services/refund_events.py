"""Tells what happened to a refund, in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.refund_view import describe_rows
from bascule.storage.database import Connection
from bascule.storage.refunds import RefundRow


async def tell(
    conn: Connection,
    outbox: Outbox,
    type: EventType,
    refund: RefundRow,
    now: datetime,
    *,
    before: RefundRow | None = None,
    request: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Appends the event with the refund as it stands; returns the refund as the API shows it."""
    [shown] = await describe_rows(conn, [refund], now)
    moved = before is not None and before.state is not refund.state
    await outbox.append(
        conn,
        account_id=refund.account_id,
        livemode=refund.livemode,
        type=type,
        object_id=refund.id,
        object_version=refund.version,
        object=shown,
        previous={"status": before.state.value} if before is not None and moved else None,
        request=request,
    )
    return shown
