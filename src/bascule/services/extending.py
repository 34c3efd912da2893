"""More time for a payment that its customer has not made yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bascule.domain.errors import Conflict, Rejected
from bascule.domain.payment_intent import Flag, IntentState
from bascule.domain.webhook import EventType
from bascule.services.intent_request import GRACE_MAX, LIFE_MAX
from bascule.services.intents import describe
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import payment_intents
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow


@dataclass(frozen=True)
class Extending:
    """Gives open intents more time, never less; each in the caller's transaction."""

    clock: Clock
    outbox: Outbox

    async def extend(
        self, conn: Connection, row: IntentRow, *, expires_at: int, closes_at: int | None,
        context: Mapping[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        """The intent with its later end. Both in unix seconds; closes_at moves along by itself.

        Raises: Conflict when the intent is over, late already, or its price locked until then; Rejected.
        """
        now = self.clock.now()
        if row.state is not IntentState.REQUIRES_ACTION or Flag.EXPIRED in row.flags or row.expires_at <= now:
            raise Conflict(
                "payment_intent_unexpected_state",
                "Only an open payment intent that has not expired is given more time.",
                next_step="Make a new one.",
            )
        if row.quote_id is not None:
            raise Conflict("quote_expired", "The quote's rate is locked no longer; make a new quote.")
        ends = datetime.fromtimestamp(expires_at, UTC)
        if not row.expires_at < ends <= now + LIFE_MAX:
            raise Rejected(
                "parameter_invalid",
                f"Later than it is now, and at most {LIFE_MAX.days} days ahead.",
                param="expires_at",
            )
        moved = ends + (row.closes_at - row.expires_at)
        closes = moved if closes_at is None else datetime.fromtimestamp(closes_at, UTC)
        if not max(ends, row.closes_at) <= closes <= ends + GRACE_MAX:
            raise Rejected(
                "parameter_invalid",
                f"Not earlier than now set or than expires_at, at most {GRACE_MAX.days} days after that.",
                param="closes_at",
            )
        await payment_intents.extend(conn, row.id, ends, closes)
        shown = await describe(conn, row.id)
        await self.outbox.append(
            conn,
            account_id=row.account_id,
            livemode=row.livemode,
            type=EventType.INTENT_REQUIRES_ACTION,
            object_id=row.id,
            object_version=shown["version"],
            object=shown,
            previous={
                "expires_at": int(row.expires_at.timestamp()),
                "closes_at": int(row.closes_at.timestamp()),
            },
            request=context,
        )
        return shown
