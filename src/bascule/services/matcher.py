"""The matcher: what intents' rows say they have received, written down and told.

Everything is computed anew from deposits, never by adding to an earlier result; whoever changes deposits
calls `recompute` for their intents in the same transaction. Each statement speaks of many intents at once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from bascule.domain.application import Reason
from bascule.domain.errors import Halted
from bascule.domain.payment_intent import IntentState
from bascule.domain.webhook import EventType
from bascule.services import checkout_view, intent_view, invoice_payment, matches
from bascule.services import deposits as deposit_service
from bascule.services.intent_view import Catalog, catalog
from bascule.services.matches import Match
from bascule.services.outbox import Happening, Outbox
from bascule.services.seams import Clock
from bascule.storage import applications, deposits, ledger, payment_intents
from bascule.storage.database import Connection
from bascule.storage.deposits import Candidate, Shown
from bascule.storage.interleave import in_turns, interleaved, together
from bascule.storage.payment_intents import IntentChange, IntentRow
from bascule.storage.whole_intents import Arrived

# Intents in one statement: enough to share its price, few enough for memory and statement timeouts.
AT_ONCE = 500
# As few as this stay together: two statements would cost more than what overlaps.
SHARING = 50
# What the caller did to deposits, by deposit id.
Happened = Mapping[str, EventType]
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})


class Coming(Protocol):
    """Deposits that are stored with what is decided of them. fresh: those that are stored already."""

    @property
    def fresh(self) -> Collection[str]: ...

    def of_intent(self, intent: IntentRow, known: Catalog) -> Sequence[Candidate]:
        """Those at the intent's addresses, in chain order."""

    async def store(self, conn: Connection, found: Sequence[Match]) -> None:
        """Stores those of some intents."""


class Read(NamedTuple):
    """An intent that is held, and the deposits that may count for it."""

    intent: IntentRow
    deposits: Sequence[Candidate]


class _Written(NamedTuple):
    """What is to be told and booked of some intents, and why new deposits count for nothing."""

    told: list[Happening]
    booked: list[str]
    refused: Counter[Reason]


async def recompute(
    conn: Connection,
    happened: Mapping[str, Happened],
    outbox: Outbox,
    clock: Clock,
    *,
    asked: Collection[str] = (),
    request: Mapping[str, Any] | None = None,
    booked: Mapping[str, Sequence[str]] = NOTHING,
    coming: Coming | None = None,
) -> Counter[Reason]:
    """Brings the intents' applications, totals, flags and state in step with their deposits, tells and books.

    happened: by intent id, what the caller did to its deposits; told first, with what it made of them.
    Intents are taken in the order of their ids, so that two transactions never wait for each other, and held
    until the transaction ends. Nothing is written of an intent where nothing changed. Returns why deposits
    that were decided for the first time count for nothing. asked: deposits that the merchant applies by
    `request`; booked: deposits that are booked as soon as they are decided, by intent id; coming: what is not
    stored yet.
    """
    known = await catalog(conn)
    if booked:  # a booking holds balances, and nobody who holds one waits for an intent
        await payment_intents.hold_many(conn, sorted(happened))

    async def begin(ids: Sequence[str]) -> list[Read]:
        return await read(conn, ids, held=bool(booked), fresh=coming.fresh if coming is not None else ())

    async def judge(rows: Sequence[Read]) -> list[Match]:
        return await decide(rows, known, asked, coming)

    async def change(found: Sequence[Match]) -> _Written:
        at = clock.now()
        changes = [matches.change(match) for match in found]
        after = _after(found, changes, at)
        # what is told is known before it is written: it is spelled while the database writes
        _, told = await together(
            write(conn, found, changes, happened, at, coming), _told(conn, found, after, happened, known)
        )
        succeeded = [
            row
            for match, row in zip(found, after, strict=True)
            if row.state is IntentState.SUCCEEDED and match.intent.state is not IntentState.SUCCEEDED
        ]
        told += await invoice_payment.pay(conn, succeeded, clock.now())
        told += await checkout_view.ended(conn, [row.id for row in succeeded])
        return _Written(
            [each._replace(request=request) for each in told] if request else told,
            [deposit_id for match in found for deposit_id in booked.get(match.intent.id, ())],
            Counter(d.reason for match in found for d in match.new.values() if d.reason is not None),
        )

    async def end(written: _Written) -> Counter[Reason]:
        await outbox.append_many(conn, written.told)
        await ledger.post_deposits(conn, written.booked)
        return written.refused

    return sum(await interleaved(parts(happened), begin, judge, change, end), Counter[Reason]())


def parts(happened: Mapping[str, Happened]) -> list[list[str]]:
    """The intents, in the order of their ids, as many together as share statements; of many several."""
    ids = sorted(happened)
    size = min(AT_ONCE, max(SHARING, -(-len(ids) // 2)))
    return [ids[start : start + size] for start in range(0, len(ids), size)]


async def read(
    conn: Connection, intent_ids: Sequence[str], *, held: bool = False, fresh: Collection[str] = ()
) -> list[Read]:
    """Holds the intents, unless they are `held`, and reads what there is of each; in the order of ids.

    fresh: deposits of which nothing was decided yet.
    """
    rows = await (payment_intents.get_many if held else payment_intents.lock_many)(conn, intent_ids)
    missing = set(intent_ids).difference(row.id for row in rows)
    if missing:
        raise Halted(f"there is no payment intent {min(missing)}, but money came to its address")
    found = await deposits.of_intents(conn, {row.id: row.livemode for row in rows}, fresh)
    return [Read(row, found[row.id]) for row in rows]


async def decide(
    found: Sequence[Read], known: Catalog, asked: Collection[str] = (), coming: Coming | None = None
) -> list[Match]:
    """Decides each of them anew."""
    made = []
    async for intent, its in in_turns(found):
        new = coming.of_intent(intent, known) if coming is not None else ()
        every = sorted([*its, *new], key=_in_chain) if its and new else its or new
        made.append(matches.match(intent, known.tokens, every, asked))
    return made


async def write(
    conn: Connection,
    found: Sequence[Match],
    changes: Sequence[IntentChange | None],
    happened: Mapping[str, Happened],
    at: datetime,
    coming: Coming | None = None,
) -> None:
    """Writes what was decided. changes: of each intent found, as `matches.change` says."""
    if coming is not None:
        await coming.store(conn, found)
    new = {k: decision for match in found for k, decision in match.new.items()}
    intent_ids = {k: match.intent.id for match in found for k in match.new}
    moves = {k: move for match in found for k, move in match.moves.items()}
    quiet = [k for match in found for k in matches.quiet(match, happened[match.intent.id])]
    await applications.insert(conn, new, intent_ids)
    await applications.advance(conn, moves)
    await deposits.grow_versions(conn, quiet)
    await payment_intents.advance_matched(conn, [each for each in changes if each is not None], at=at)


def _after(found: Sequence[Match], changes: Sequence[IntentChange | None], at: datetime) -> list[IntentRow]:
    """The intents as they are once they are written."""
    return [
        match.intent if change is None else payment_intents.changed(change, at)
        for match, change in zip(found, changes, strict=True)
    ]


async def _told(
    conn: Connection,
    found: Sequence[Match],
    after: Sequence[IntentRow],
    happened: Mapping[str, Happened],
    known: Catalog,
) -> list[Happening]:
    """Intent after intent: first what happened to its deposits, then to itself."""
    of_intents = [matches.intent_events(match) for match in found]
    rows = [matches.shown_after(match, happened[match.intent.id]) for match in found]
    told_rows = [row for row, events in zip(after, of_intents, strict=True) if events]
    arrived = {
        match.intent.id: _arrived(its)
        for match, its, then in zip(found, rows, of_intents, strict=True)
        if then
    }
    shown = iter(await intent_view.show_rows(conn, told_rows, arrived, known))
    happenings: list[Happening] = []
    async for match, row, its, then in in_turns(list(zip(found, after, rows, of_intents, strict=True))):
        first = matches.deposit_events(match, happened[match.intent.id])
        happenings += deposit_service.told(its, first)
        if then:
            happenings += _of_intent(match.intent, row, then, next(shown))
    return happenings


def _in_chain(candidate: Candidate) -> tuple[object, ...]:
    """The order in which `deposits.of_intents` reads them."""
    seen = candidate.seen
    return seen.block_time, seen.chain_id, seen.position


def _arrived(rows: Mapping[str, Shown]) -> list[Arrived]:
    """The intent's deposits, oldest block first."""
    return [
        Arrived(row.id, row.chain_id, row.tx_hash, row.application_state == "applied")
        for row in rows.values()
    ]


def _of_intent(
    before: IntentRow, after: IntentRow, events: Sequence[EventType], shown: Mapping[str, object]
) -> list[Happening]:
    was = matches.previous(before, after)
    return [
        Happening(
            account_id=after.account_id,
            livemode=after.livemode,
            type=event,
            object_id=after.id,
            object_version=after.version,
            object=shown,
            previous=was,
        )
        for event in events
    ]
