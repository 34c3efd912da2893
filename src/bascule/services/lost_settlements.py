"""Settlements that a restored database forgot: the vault's calldata still has their numbers."""

from __future__ import annotations

from bascule.domain import vault as layout
from bascule.domain.settlement import payout_identity
from bascule.services.payout_request import everlasting
from bascule.storage import breaks, recovered, settlements
from bascule.storage.database import Connection
from bascule.storage.settlements import SettlementRow

# Of one asset, between a backup and its loss: those that were made and called off count too.
LOST_AT_MOST = 1_000


async def unresolved(conn: Connection, row: SettlementRow) -> bool:
    """Whether the vault paid a period of this asset that is not completed here, and no person dealt with it.

    What was paid then is still counted as available here, so nothing else of the asset may go.
    """
    periods = await settlements.incomplete(conn, row.subject, up_to=row.period + LOST_AT_MOST)
    tags = [_tag(row, period) for period in periods]
    found = await recovered.of_tags(conn, tags)
    for tag, was in found.items():
        if was.outcome == "paid" and not await breaks.lost_request_resolved(conn, tag):
            return True
    return False


async def is_known(conn: Connection, row: SettlementRow) -> bool:
    """Whether the vault had this period's payout before a restore: no payout can have its identity again."""
    return bool(await recovered.of_tags(conn, [_tag(row, row.period)]))


def _tag(row: SettlementRow, period: int) -> bytes:
    return layout.tag(everlasting(row.account_id, row.livemode, payout_identity(row.token_id, period)))
