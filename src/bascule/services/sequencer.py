"""Gives committed happenings their numbers: per account and mode 1, 2, 3 … without holes.

A number is taken in the transaction that also stores the event's exact bytes and its deliveries, so a crash
at any place leaves either all of it or nothing. Any number of sequencers may run: a counter row is held by
one at a time. A batch is of many accounts: a thousand of them that whisper cost no more than one that shouts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from bascule.domain.ids import Prefix
from bascule.domain.versions import SPOKEN, Versions
from bascule.domain.webhook import envelope
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.outbox import PING
from bascule.services.seams import Clock, Entropy, new_ids
from bascule.storage import deliveries, events, outbox, webhooks
from bascule.storage.database import Connection, Database
from bascule.storage.events import Event, Held
from bascule.storage.outbox import Book, OutboxRow
from bascule.storage.webhooks import Listener

WINDOW = 2_000
BATCH = 500
STATEFUL = ("payment_intent", "payout")  # kinds of objects whose states are counted


@dataclass(frozen=True)
class Sequencer:
    """Numbers what waits in the outbox, in the order it was written.

    entered: how often a payment intent or a payout entered a state, by kind and state.
    """

    db: Database
    clock: Clock
    entropy: Entropy
    failpoints: Failpoints = NO_FAILPOINTS
    name: str = "sequencer"
    versions: Versions = SPOKEN
    entered: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def run_once(self) -> int:
        """How many happenings got their number; 0 when none waited (or another sequencer has them)."""
        async with self.db.read() as conn:
            books = await outbox.waiting(conn, WINDOW)
        return await self._number(books) if books else 0

    async def _number(self, books: Sequence[Book]) -> int:
        async with self.db.transaction() as conn:
            held = await events.hold_sequences(conn, books)
            rows = await outbox.waiting_of(conn, list(held), WINDOW, BATCH) if held else []
            if not rows:
                return 0
            numbered = numbered_events(rows, held, self.versions)
            await events.insert(conn, numbered)
            await self._deliver(conn, numbered)
            await outbox.mark_sequenced(conn, [row.id for row in rows])
            await events.move_sequences(
                conn, {(event.account_id, event.livemode): event.account_sequence for event in numbered}
            )
            self.failpoints.hit("sequencer.before_commit")
        self.failpoints.hit("sequencer.after_commit")
        self.entered.update(state for row in rows if (state := entered(row)) is not None)
        return len(rows)

    async def _deliver(self, conn: Connection, numbered: Sequence[Event]) -> None:
        listeners = await webhooks.listening(conn, sorted({event.account_id for event in numbered}))
        pairs = [
            (event.id, listener.id)
            for event in numbered
            for listener in hearing(event, listeners.get(event.account_id, ()))
        ]
        ids = new_ids(Prefix.DELIVERY, self.clock, self.entropy, len(pairs))
        rows = [(id, *pair) for id, pair in zip(ids, pairs, strict=True)]
        await deliveries.insert(conn, rows, self.clock.now())


def numbered_events(
    rows: Iterable[OutboxRow], held: Mapping[Book, Held], versions: Versions = SPOKEN
) -> list[Event]:
    """The events of happenings, each with its account's and mode's next number and in their version."""
    numbers = {book: each.last for book, each in held.items()}
    numbered = []
    for row in rows:
        book = row.account_id, row.livemode
        numbers[book] += 1
        numbered.append(numbered_event(row, numbers[book], held[book].api_version, versions))
    return numbered


def entered(row: OutboxRow) -> tuple[str, str] | None:
    """The kind and the state of a payment intent or a payout that entered it just then; else None."""
    kind, _, happened = row.type.partition(".")
    moved = happened == "created" or "status" in (row.previous or {})
    state = row.object.get("status")
    return (kind, state) if moved and kind in STATEFUL and state is not None else None


def numbered_event(row: OutboxRow, sequence: int, api_version: str, versions: Versions) -> Event:
    """The event of a happening as a version shows it; its body is serialised here, once."""
    now, previous = versions.told(row.object, row.previous, api_version)
    body = orjson.dumps(
        envelope(
            api_version=api_version,
            event_id=row.event_id,
            event_type=row.type,
            created_at=row.created_at,
            livemode=row.livemode,
            account=row.account_id,
            account_sequence=sequence,
            object_version=row.object_version,
            request=row.request,
            data_object=now,
            previous_attributes=previous,
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
