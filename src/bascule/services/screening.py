"""Screening: holds what comes from and goes to addresses on a list. One place, for whoever moves money.

Runs in the caller's transaction, so that money is held in the same commit in which it is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.outbox import Happening, Outbox
from bascule.services.screening_view import describe
from bascule.services.seams import new_ids
from bascule.storage import accounts, ledger, screenings
from bascule.storage.database import Connection
from bascule.storage.screenings import Hit


class Screen(Protocol):
    """Somebody who knows whose money is not to move: our lists, or a service that answers as they do.

    Asked inside the transaction that holds the money, so an answer comes from rows, never over a network.
    """

    async def deposits(self, conn: Connection, ids: Sequence[str]) -> list[Hit]:
        """Which of these deposits to hold, by their senders."""
        ...

    async def payouts(self, conn: Connection, ids: Sequence[str]) -> list[Hit]:
        """Which of these payouts to hold, by their destinations."""
        ...


class Lists:
    """The lists that were imported."""

    async def deposits(self, conn: Connection, ids: Sequence[str]) -> list[Hit]:
        """Those whose sender stands on a list."""
        return await screenings.hits_of_deposits(conn, ids)

    async def payouts(self, conn: Connection, ids: Sequence[str]) -> list[Hit]:
        """Those whose destination stands on a list."""
        return await screenings.hits_of_payouts(conn, ids)


LISTS = Lists()


@dataclass(frozen=True)
class Screening:
    """Opens screenings; what one holds moves no further until it is decided."""

    outbox: Outbox
    screen: Screen = LISTS

    async def deposits(self, conn: Connection, ids: Sequence[str]) -> list[str]:
        """Holds those of these deposits that are to be held; the ones held only now."""
        hits = await self.screen.deposits(conn, ids) if ids else []
        await self._open(conn, hits)
        return [each.deposit_id for each in hits if each.deposit_id is not None]

    async def payouts(self, conn: Connection, ids: Sequence[str]) -> list[str]:
        """Holds those of these payouts that are to be held; the ones held only now."""
        hits = await self.screen.payouts(conn, ids) if ids else []
        await self._open(conn, hits)
        return [each.payout_id for each in hits if each.payout_id is not None]

    async def _open(self, conn: Connection, hits: Sequence[Hit]) -> None:
        if hits:
            clock = self.outbox.clock
            ids = new_ids(Prefix.SCREENING, clock, self.outbox.entropy, len(hits))
            await screenings.insert(conn, ids, hits, clock.now())
            await tell(conn, self.outbox, EventType.SCREENING_OPENED, ids)


async def tell(
    conn: Connection,
    outbox: Outbox,
    event: EventType,
    ids: Sequence[str],
    request: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The screenings, as the operator is told of them; merchants are told what is held, by no list's name."""
    shown = await describe(conn, ids)
    operator = await accounts.operator(conn)
    if operator is not None:
        version = 1 if event is EventType.SCREENING_OPENED else 2  # it is decided once
        await outbox.append_many(
            conn,
            [
                Happening(operator.id, each["livemode"], event, each["id"], version, each, request=request)
                for each in shown
            ],
        )
    return shown


async def book(conn: Connection, deposit_ids: Sequence[str]) -> None:
    """Booked money that screening holds lies in no balance of its account when this returns."""
    for screening_id in await screenings.holding_deposits(conn, deposit_ids) if deposit_ids else []:
        await ledger.post_screening(conn, screening_id)
