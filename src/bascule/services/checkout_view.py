"""A checkout session as the API and its events show it, and what is to be told when its intent ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bascule.domain.checkout import STATUS_OF, CheckoutStatus
from bascule.domain.money import SCALE, display_units
from bascule.domain.webhook import EventType
from bascule.services.outbox import Happening
from bascule.storage import checkout_sessions
from bascule.storage.checkout_sessions import SessionRow
from bascule.storage.database import Connection

_TOLD_AS = {
    CheckoutStatus.COMPLETE: EventType.CHECKOUT_SESSION_COMPLETED,
    CheckoutStatus.EXPIRED: EventType.CHECKOUT_SESSION_EXPIRED,
}


def shown(row: SessionRow, public_url: str) -> dict[str, Any]:
    """The session as JSON values. public_url: where our pages are; only an open session names its own."""
    status = STATUS_OF[row.state]
    return {
        "id": row.id,
        "object": "checkout.session",
        "mode": "payment",
        "status": status.value,
        "payment_status": "paid" if status is CheckoutStatus.COMPLETE else "unpaid",
        "url": f"{public_url}/c/{row.id}" if status is CheckoutStatus.OPEN else None,
        "payment_intent": row.payment_intent_id,
        "amount_total": display_units(row.due, SCALE),
        "currency": row.currency,
        "success_url": row.success_url,
        "cancel_url": row.cancel_url,
        "expires_at": int(row.expires_at.timestamp()),
        "closes_at": int(row.closes_at.timestamp()),
        "client_reference_id": row.client_reference_id,
        "description": row.description,
        "metadata": row.metadata,
        "livemode": row.livemode,
        "created": int(row.created_at.timestamp()),
        "version": row.version,
    }


async def ended(
    conn: Connection, intent_ids: Collection[str], request: Mapping[str, Any] | None = None
) -> list[Happening]:
    """What is to be told of the sessions of intents that have just succeeded or were just canceled."""
    if not intent_ids:
        return []
    return list(_happenings(await checkout_sessions.of_intents(conn, intent_ids), request))


def _happenings(rows: Iterable[SessionRow], request: Mapping[str, Any] | None) -> Iterable[Happening]:
    for row in rows:
        status = STATUS_OF[row.state]
        yield Happening(
            account_id=row.account_id,
            livemode=row.livemode,
            type=_TOLD_AS[status],
            object_id=row.id,
            object_version=row.version,
            object=shown(row, ""),
            previous={"status": str(CheckoutStatus.OPEN)},
            request=request,
        )
