"""Gives committed happenings their numbers: per account 1, 2, 3 … without holes.

A number is taken in the transaction that also stores the event's exact bytes and its deliveries, so a crash
at any place leaves either all of it or nothing. Any number of sequencers may run: an account's counter row
is held by one at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from bascule.domain.ids import Prefix
from bascule.domain.webhook import envelope
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.outbox import PING
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import deliveries, events, outbox, webhooks
from bascule.storage.database import Connection, Database
from bascule.storage.events import Event
from bascule.storage.outbox import OutboxRow
from bascule.storage.webhooks import Listener

WINDOW = 2_000
BATCH = 500
STATEFUL = ("payment_intent", "payout")  # kinds of objects whose states are counted


@dataclass(frozen=True)
class Sequencer:
    """Numbers what waits in the outbox, one account at a time.

    entered: how often a payment intent or a payout entered a state, by kind and state.
    """

    db: Database
    clock: Clock
    entropy: Entropy
    failpoints: Failpoints = NO_FAILPOINTS
    name: str = "sequencer"
    entered: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def run_once(self) -> int:
        """How many happenings got their number; 0 when none waited (or another sequencer has them)."""
        async with self.db.read() as conn:
            accounts = await outbox.waiting_accounts(conn, WINDOW)
        return sum([await self._number(account) for account in accounts])

    async def _number(self, account_id: str) -> int:
        async with self.db.transaction() as conn:
            last = await events.hold_sequence(conn, account_id)
            if last is None:
                return 0
            rows = await outbox.waiting_of(conn, account_id, BATCH)
            if not rows:
                return 0
            numbered = [numbered_event(row, last + place) for place, row in enumerate(rows, 1)]
            await events.insert(conn, numbered)
            await self._deliver(conn, account_id, numbered)
            await outbox.mark_sequenced(conn, [row.id for row in rows])
            await events.move_sequence(conn, account_id, last + len(rows))
            self.failpoints.hit("sequencer.before_commit")
        self.failpoints.hit("sequencer.after_commit")
        self.entered.update(state for row in rows if (state := entered(row)) is not None)
        return len(rows)

    async def _deliver(self, conn: Connection, account_id: str, numbered: Sequence[Event]) -> None:
        listeners = await webhooks.listening(conn, account_id)
        pairs = [
            (new_id(Prefix.DELIVERY, self.clock, self.entropy), event.id, listener.id)
            for event in numbered
            for listener in hearing(event, listeners)
        ]
        await deliveries.insert(conn, pairs, self.clock.now())


def entered(row: OutboxRow) -> tuple[str, str] | None:
    """The kind and the state of a payment intent or a payout that entered it just then; else None."""
    kind, _, happened = row.type.partition(".")
    moved = happened == "created" or "status" in (row.previous or {})
    state = row.object.get("status")
    return (kind, state) if moved and kind in STATEFUL and state is not None else None


def numbered_event(row: OutboxRow, sequence: int) -> Event:
    """The event of a happening; its body is serialised here, once."""
    body = orjson.dumps(
        envelope(
            event_id=row.event_id,
            event_type=row.type,
            created_at=row.created_at,
            livemode=row.livemode,
            account=row.account_id,
            account_sequence=sequence,
            object_version=row.object_version,
            request=row.request,
            data_object=row.object,
            previous_attributes=row.previous,
        )
    )
    return Event(
        id=row.event_id,
        account_id=row.account_id,
        account_sequence=sequence,
        livemode=row.livemode,
        type=row.type,
        object_id=row.object_id,
        body=body,
        created_at=row.created_at,
    )


def hearing(event: Event, listeners: Iterable[Listener]) -> list[Listener]:
    """Who is told: same mode and a matching type; a ping goes to the endpoint it is about."""
    same_mode = [listener for listener in listeners if listener.livemode == event.livemode]
    if event.type == PING:
        return [listener for listener in same_mode if listener.id == event.object_id]
    return [listener for listener in same_mode if {"*", event.type} & set(listener.enabled_events)]
