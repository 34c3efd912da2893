"""Telling what happened: a row in the transaction in which it happened.

The sequencer numbers the rows, the dispatcher sends them; a transaction that fails tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import outbox
from bascule.storage.database import Connection

# Sent to one endpoint alone, whatever it listens to, when its owner asks for it.
PING = "webhook_endpoint.ping"


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
        """The id of the event that will be sent when the caller's transaction commits.

        object: the thing as the API shows it now; previous: attributes as they were before;
        request: {"id", "idempotency_key"} of the API request that caused it, if one did.
        """
        event_id = new_id(Prefix.EVENT, self.clock, self.entropy)
        await outbox.append(
            conn,
            event_id=event_id,
            account_id=account_id,
            livemode=livemode,
            type=str(type),
            object_id=object_id,
            object_version=object_version,
            object=object,
            previous=previous,
            request=request,
            created_at=self.clock.now(),
        )
        return event_id
