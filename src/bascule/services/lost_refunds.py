"""Refunds that a restored database forgot: the vault's calldata still has the names of their payouts."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.domain import vault as layout
from bascule.domain.chain import caip2, hex32
from bascule.domain.errors import Conflict
from bascule.domain.refund import payout_identity
from bascule.services.payout_request import everlasting
from bascule.storage import recovered, refunds
from bascule.storage.database import Connection
from bascule.storage.refunds import RefundRow

# Of one payment, between a backup and its loss: those that were made and called off count too.
LOST_AT_MOST = 100


async def beside_lost(conn: Connection, payout_ids: Sequence[str]) -> frozenset[str]:
    """Which of these payouts are refunds of payments of which the vault gave back what is not counted here:
    they were asked for before the vault was read.
    """
    found: set[str] = set()
    for refund in await refunds.of_payouts(conn, payout_ids):
        try:
            await require_none(conn, refund)
        except Conflict:
            found.add(str(refund.payout_id))
    return frozenset(found)


async def require_none(conn: Connection, refund: RefundRow) -> None:
    """Returns when all that the vault ever gave back of the refund's payment is counted here.

    Raises: Conflict `payout_recovered`, naming the transaction of one that is not. Which request that was
    nobody can tell any more, so nothing else of this payment goes back by itself.
    """
    counted = await refunds.counted(conn, refund.of)
    identities = {
        *(payout_identity(refund.of, n + 1) for n in range(counted.made + LOST_AT_MOST)),
        refund.payout_identity,
    }
    tags = {layout.tag(everlasting(refund.account_id, refund.livemode, each)): each for each in identities}
    for tag, found in (await recovered.of_tags(conn, list(tags))).items():
        paid = (found.chain_id, found.token, found.amount)
        if found.outcome == "paid" and counted.units.get(tags[tag]) != paid:
            raise Conflict(
                "payout_recovered",
                f"Money of this payment was given back in transaction {hex32(found.tx_hash)} of"
                f" {caip2(found.chain_id)}, by a refund that was lost with an older database.",
                next_step="Look at the transaction; what is still owed to the customer, pay by a payout.",
            )
