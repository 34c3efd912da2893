"""Tells an account that money which came in is its own now, in the transaction that books it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bascule.domain.webhook import EventType
from bascule.services.balances import part
from bascule.services.outbox import Happening, Outbox
from bascule.storage import balances
from bascule.storage.balances import Grown
from bascule.storage.database import Connection

# A balance has none: its row is held until the commit, so that its events are numbered in its order.
_VERSION = 1


async def tell(
    conn: Connection, outbox: Outbox, deposit_ids: Sequence[str], request: Mapping[str, Any] | None = None
) -> None:
    """Appends one event for each account to which this transaction booked some of these deposits, if any.

    However many deposits those are: what is available of each token that grew, now and before, less fees.
    """
    if not deposit_ids:
        return
    told: dict[tuple[str, bool], list[Grown]] = defaultdict(list)
    for each in await balances.grown_by(conn, deposit_ids):
        told[each.account_id, each.livemode].append(each)
    await outbox.append_many(
        conn,
        [
            Happening(
                account_id=account_id,
                livemode=livemode,
                type=EventType.BALANCE_AVAILABLE,
                object_id=account_id,
                object_version=_VERSION,
                object={
                    "object": "balance",
                    "available": [part(each, each.available) for each in grown],
                    "livemode": livemode,
                },
                previous={"available": [part(each, each.available - each.grown) for each in grown]},
                request=request,
            )
            for (account_id, livemode), grown in told.items()
        ],
    )
