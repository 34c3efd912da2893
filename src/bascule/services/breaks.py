"""Breaks that the watcher finds: written in its transaction and told to the operator, once each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import ChainId
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import accounts, networks, reconciliations
from bascule.storage.database import Connection


@dataclass(frozen=True)
class Breaks:
    """Opens and resolves breaks about one chain, in the caller's transaction."""

    chain_id: ChainId
    clock: Clock
    entropy: Entropy
    outbox: Outbox

    async def open(self, conn: Connection, type: str, subject: str, evidence: Mapping[str, Any]) -> bool:
        """A break of this type and subject is open when this returns; False when it was before."""
        break_id = new_id(Prefix.BREAK, self.clock, self.entropy)
        opened = await reconciliations.open_break(
            conn, break_id, type=type, subject=subject, evidence=evidence, at=self.clock.now()
        )
        if opened:
            await self._tell(conn, EventType.RECONCILIATION_BREAK_OPENED, break_id, 1, type, evidence)
        return opened

    async def resolve(self, conn: Connection, type: str, subject: str, resolution: Mapping[str, Any]) -> None:
        """No break of this type and subject is open when this returns."""
        break_id = await reconciliations.advance_break(
            conn, type=type, subject=subject, resolution=resolution, at=self.clock.now()
        )
        if break_id is not None:
            await self._tell(conn, EventType.RECONCILIATION_BREAK_RESOLVED, break_id, 2, type, resolution)

    async def _tell(
        self,
        conn: Connection,
        event: EventType,
        break_id: str,
        version: int,
        type: str,
        evidence: Mapping[str, Any],
    ) -> None:
        operator = await accounts.operator(conn)
        network = await networks.get(conn, self.chain_id)
        if operator is None or network is None:
            return
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=network.livemode,
            type=event,
            object_id=break_id,
            object_version=version,
            object={"id": break_id, "object": "break", "type": type, "evidence": dict(evidence)},
        )
