"""Sending again what webhook endpoints did not take in ten attempts: an operator's command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from bascule.services.egress import EgressRules
from bascule.services.webhooks import Webhooks
from bascule.storage import deliveries

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


async def redrive(
    settings: Settings,
    *,
    since: datetime,
    endpoint_id: str | None,
    account_id: str | None,
    enable: bool,
    dry_run: bool,
) -> list[dict[str, Any]]:
    """A row for each endpoint that did not take events since then: how many, and how many are sent.

    enable: disabled endpoints are enabled, but those that their merchants disabled.
    """
    from bascule.entrypoints import wiring

    seams = wiring.Seams(settings)
    webhooks = Webhooks(seams.clock, seams.entropy, seams.outbox, EgressRules(settings.webhook_allow_local))
    told = []
    async with wiring.owner(settings) as db, db.transaction() as conn:
        for found in await deliveries.exhausted(conn, since, endpoint_id=endpoint_id, account_id=account_id):
            sends = found.state == "enabled" or (enable and found.disabled_reason != "requested")
            if sends and not dry_run:
                await webhooks.redrive(conn, found, actor="cli")
            told.append(
                {
                    "endpoint": found.endpoint_id,
                    "account": found.account_id,
                    "url": found.url,
                    "was": found.state,
                    "exhausted": len(found.event_ids),
                    "sent_again": len(found.event_ids) if sends else 0,
                }
            )
    return told
