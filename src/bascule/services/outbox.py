"""Telling what happened: a row in the transaction in which it happened.

The sequencer numbers the rows, the dispatcher sends them; a transaction that fails tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.seams import Clock, Entropy, new_ids
from bascule.storage import outbox
from bascule.storage.database import Connection

# Sent to one endpoint alone, whatever it listens to, when its owner asks for it.
PING = "webhook_endpoint.ping"


class Happening(NamedTuple):
    """Something to be told. object: the thing as the API shows it now; previous: attributes as they were
    before; request: {"id", "idempotency_key"} of the API request that caused it, if one did.
    """

    account_id: str
    livemode: bool
    type: EventType | str
    object_id: str
    object_version: int
    object: Mapping[str, Any]
    previous: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outbox:
    """Writes happenings into the caller's transaction."""

    clock: Clock
    entropy: Entropy

    async def append(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        type: EventType | str,
        object_id: str,
        object_version: int,
        object: Mapping[str, Any],
        previous: Mapping[str, Any] | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> str:
        """Tells one `Happening`; the id of the event that is sent when the caller's transaction commits."""
        happening = Happening(
            account_id=account_id,
            livemode=livemode,
            type=type,
            object_id=object_id,
            object_version=object_version,
            object=object,
            previous=previous,
            request=request,
        )
        [event_id] = await self.append_many(conn, [happening])
        return event_id

    async def append_many(self, conn: Connection, happenings: Sequence[Happening]) -> list[str]:
        """Tells them in this order; the ids of the events sent when the caller's transaction commits."""
        event_ids = new_ids(Prefix.EVENT, self.clock, self.entropy, len(happenings))
        new = [
            outbox.NewRow(event_id, *happening)
            for event_id, happening in zip(event_ids, happenings, strict=True)
        ]
        await outbox.append(conn, new, self.clock.now())
        return event_ids
