"""Breaks: written in the transaction of whoever finds or ends them, and told to the operator once each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bascule.domain.breaks import TYPES
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.break_view import describe
from bascule.services.outbox import Outbox
from bascule.services.seams import new_id
from bascule.storage import accounts, breaks, networks
from bascule.storage.breaks import Break, Found
from bascule.storage.database import Connection


@dataclass(frozen=True)
class Breaks:
    """Opens and ends breaks in the caller's transaction."""

    outbox: Outbox

    async def open(self, conn: Connection, found: Found) -> bool:
        """A break of this type and subject is open when this returns, as found now; False when it was before.

        Payouts of its token wait as long as it is open, if its type says so.
        """
        clock, entropy = self.outbox.clock, self.outbox.entropy
        found = replace(found, freezes=TYPES[found.type].freezes and found.token_id is not None)
        if found.livemode is None and found.chain_id is not None:
            network = await networks.get(conn, found.chain_id)
            found = replace(found, livemode=None if network is None else network.livemode)
        row, opened = await breaks.open(conn, new_id(Prefix.BREAK, clock, entropy), found, clock.now())
        if opened:
            await self._tell(conn, EventType.RECONCILIATION_BREAK_OPENED, row, 1)
        return opened

    async def end(self, conn: Connection, type: str, subject: str, resolution: Mapping[str, Any]) -> bool:
        """No break of this type and subject is open when this returns; False when none was."""
        row = await breaks.open_of(conn, type, subject)
        return row is not None and await self.resolve(conn, row, resolution) is not None

    async def resolve(
        self,
        conn: Connection,
        row: Break,
        resolution: Mapping[str, Any],
        request: Mapping[str, Any] | None = None,
    ) -> Break | None:
        """Ends this break; None when somebody else has. request: of the API, that asked for it."""
        ended = await breaks.advance(conn, row.id, resolution, self.outbox.clock.now())
        if ended is not None:
            await self._tell(conn, EventType.RECONCILIATION_BREAK_RESOLVED, ended, 2, request)
        return ended

    async def _tell(
        self,
        conn: Connection,
        event: EventType,
        row: Break,
        version: int,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        operator = await accounts.operator(conn)
        if operator is None:
            return
        [shown] = await describe(conn, [row], self.outbox.clock.now())
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=bool(row.livemode),
            type=event,
            object_id=row.id,
            object_version=version,
            object=shown,
            request=request,
        )
