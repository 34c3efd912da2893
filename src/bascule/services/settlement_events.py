"""Tells what happened to a settlement, in the transaction in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.settlement_view import describe_rows
from bascule.storage.database import Connection
from bascule.storage.settlements import SettlementRow


async def tell(
    conn: Connection,
    outbox: Outbox,
    type: EventType,
    settlement: SettlementRow,
    *,
    before: SettlementRow | None = None,
    request: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Appends the event with the settlement as it stands; returns the settlement as the API shows it."""
    [shown] = await describe_rows(conn, [settlement])
    moved = before is not None and before.state is not settlement.state
    await outbox.append(
        conn,
        account_id=settlement.account_id,
        livemode=settlement.livemode,
        type=type,
        object_id=settlement.id,
        object_version=settlement.version,
        object=shown,
        previous={"status": before.state.value} if before is not None and moved else None,
        request=request,
    )
    return shown
