"""Arrivals: transfers of newly canonical blocks become deposits, and are matched.

Runs inside the watcher's transaction, and may run twice over the same blocks: a deposit is found by the
identity of its payment, so nothing is made twice.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import ChainId, Hash
from bascule.domain.ids import Prefix
from bascule.domain.matching import Decision, Fixed
from bascule.domain.webhook import EventType
from bascule.services import deposits as deposit_service
from bascule.services import matcher
from bascule.services.intent_view import Catalog, catalog
from bascule.services.matches import Match
from bascule.services.outbox import Outbox
from bascule.services.screening import Screening, book
from bascule.services.seams import Clock, Entropy, new_ids
from bascule.storage import (
    applications,
    arriving,
    deposits,
    ledger,
    payment_intents,
    screenings,
    standing_addresses,
)
from bascule.storage.arriving import Arriving
from bascule.storage.database import Connection
from bascule.storage.deposits import Candidate, Owned
from bascule.storage.payment_intents import IntentRow

_log = structlog.get_logger()


def by_intent(
    owned: Sequence[Owned], event: EventType, quiet: Collection[str] = ()
) -> dict[str, dict[str, EventType]]:
    """What happened, as the matcher takes it: by intent id and deposit id. quiet: those it is not told of."""
    found: dict[str, dict[str, EventType]] = defaultdict(dict)
    for deposit in owned:
        if deposit.intent_id is not None:
            happened = found[deposit.intent_id]
            if deposit.id not in quiet:
                happened[deposit.id] = event
    return found


@dataclass(frozen=True)
class Found:
    """Whose money came, in chain order; and what of it is stored with what is decided of it, by intent id and
    deposit id. fresh: what is stored before, for an intent.
    """

    chain_id: ChainId
    now: datetime
    owned: Sequence[Owned]
    new: Mapping[str, Mapping[str, Arriving]]
    fresh: Collection[str] = ()

    def of_intent(self, intent: IntentRow, known: Catalog) -> Sequence[Candidate]:
        """The new ones at the intent's addresses, in chain order."""
        network = known.networks[self.chain_id]
        return [
            each.candidate(
                id, network, known.tokens.get(each.token_id or ""), self.now, livemode=intent.livemode
            )
            for id, each in self.new.get(intent.id, {}).items()
        ]

    async def store(self, conn: Connection, found: Sequence[Match]) -> None:
        """Stores the new ones of some intents."""
        rows = [row for match in found for row in match.shown if row.id in self.new.get(match.intent.id, ())]
        await deposits.insert_arrived(conn, self.chain_id, rows)


@dataclass(frozen=True)
class Arrivals:
    """Turns canonical transfers into deposits and says so, in the caller's transaction."""

    chain_id: ChainId
    clock: Clock
    entropy: Entropy
    outbox: Outbox
    counters: Counter[str]

    async def take(self, conn: Connection, block_hashes: Sequence[Hash]) -> None:
        """Every transfer from outside to us in these blocks is a deposit, detected, when this returns."""
        found = await self.find(conn, block_hashes)
        await self._settle(conn, found.owned, EventType.DEPOSIT_DETECTED, coming=found)

    async def find(self, conn: Connection, block_hashes: Sequence[Hash]) -> Found:
        """Whose money came in these blocks.

        When this returns, what was orphaned of it is detected again, and what is nobody's, or may be held, is
        stored.
        """
        coming = await arriving.find(conn, self.chain_id, block_hashes)
        known = [each.place for each in coming if each.known]
        returned = await self._return(conn, known)
        back = await self._back(conn, list(returned.values()))
        ids = iter(new_ids(Prefix.DEPOSIT, self.clock, self.entropy, len(coming) - len(known)))
        named = [(returned.get(each.place) if each.known else next(ids), each) for each in coming]
        new: dict[str, dict[str, Arriving]] = defaultdict(dict)
        first = {}
        for id, each in named:
            if id is not None and not each.known:
                if each.intent_id is None or each.screened:
                    first[id] = each
                else:
                    new[each.intent_id][id] = each
        now = self.clock.now()
        await self._store(conn, first, now)
        self.counters["deposits_detected"] += len(coming) - len(known)
        self.counters["deposits_returned"] += len(returned)
        owned = [back.get(id) or each.owned(id) for id, each in named if id is not None]
        fresh = [id for id, each in first.items() if each.intent_id is not None]
        return Found(self.chain_id, now, owned, new, fresh)

    async def _return(
        self, conn: Connection, places: Sequence[tuple[Hash, int]]
    ) -> dict[tuple[Hash, int], str]:
        """Orphaned deposits are where their transactions were mined again, with what those move there."""
        returned = await deposits.advance_return(conn, self.chain_id, places)
        changed = [each.id for each in returned.values() if each.changed]
        if changed:
            await applications.keep_whole(conn, changed)
            self.counters["deposits_returned_changed"] += len(changed)
            _log.warning("deposits returned with other amounts", chain_id=self.chain_id, deposits=changed)
        return {place: each.id for place, each in returned.items()}

    async def _back(self, conn: Connection, ids: Sequence[str]) -> dict[str, Owned]:
        """Deposits that are detected again, by id, once screening has seen them."""
        if not ids:
            return {}
        await self.screen(conn, ids)
        return {each.id: each for each in await deposits.owners(conn, ids)}

    async def _store(self, conn: Connection, new: Mapping[str, Arriving], now: datetime) -> None:
        """Stores what is decided of by itself, or after screening."""
        if not new:
            return
        known = await catalog(conn)
        network = known.networks[self.chain_id]
        intents = await payment_intents.get_many(
            conn, [each.intent_id for each in new.values() if each.intent_id]
        )
        modes = {intent.id: intent.livemode for intent in intents}
        rows = [
            each.shown(
                id,
                network,
                known.tokens.get(each.token_id or ""),
                now,
                livemode=modes.get(each.intent_id or "", network.livemode),
            )
            for id, each in new.items()
        ]
        await deposits.insert_arrived(conn, self.chain_id, rows)
        await self.screen(conn, [id for id, each in new.items() if each.screened])

    async def screen(self, conn: Connection, ids: Sequence[str]) -> list[str]:
        """Those of these deposits that screening holds: since now, where their sender stands on a list."""
        if not ids:
            return []
        self.counters["deposits_screened"] += len(await Screening(self.outbox).deposits(conn, ids))
        return [*(await screenings.holding_deposits(conn, ids)).values()]

    async def orphan_above(self, conn: Connection, number: int) -> int:
        """Every unfinished deposit above a height is orphaned when this returns; how many those were."""
        ids = await deposits.advance_orphan(conn, self.chain_id, number)
        self.counters["deposits_orphaned"] += len(ids)
        await self.settle(conn, ids, EventType.DEPOSIT_ORPHANED)
        return len(ids)

    async def settle(
        self,
        conn: Connection,
        ids: Sequence[str],
        event: EventType,
        named: Collection[str] = (),
        final: Collection[str] = (),
    ) -> list[Owned]:
        """Decides anew what the deposits' intents have, tells all of it, and returns the deposits.

        named: deposits whose token is accepted only now, or that a list held or holds: what was decided of
        them binds no more, and those that are not among `ids` have nothing else to tell. final: those that
        are booked, as far as their token is.
        """
        every = list(dict.fromkeys([*ids, *named]))
        owned = await deposits.owners(conn, every) if every else []
        quiet = set(named).difference(ids)
        await self._settle(conn, owned, event, named, quiet, final)
        return owned

    async def _settle(
        self,
        conn: Connection,
        owned: Sequence[Owned],
        event: EventType,
        named: Collection[str] = (),
        quiet: Collection[str] = (),
        final: Collection[str] = (),
        coming: matcher.Coming | None = None,
    ) -> None:
        if not owned:
            return
        happened = by_intent(owned, event, quiet)
        to_book: dict[str | None, list[str]] = defaultdict(list)
        for deposit in owned:
            if deposit.booked and deposit.id in final:
                to_book[deposit.intent_id].append(deposit.id)
        claimed = {intent_id: ids for intent_id, ids in to_book.items() if intent_id is not None}
        refused = await matcher.recompute(
            conn, happened, self.outbox, self.clock, asked=named, booked=claimed, coming=coming
        )
        unclaimed = [deposit for deposit in owned if deposit.intent_id is None]
        if unclaimed:
            refused.update(await self._settle_unclaimed(conn, unclaimed, event))
            events = [(d.id, EventType.DEPOSIT_UNAPPLIED if d.id in quiet else event) for d in unclaimed]
            await self.outbox.append_many(conn, await deposit_service.happenings(conn, events))
            await ledger.post_deposits(conn, to_book[None])
        await book(conn, [each.id for each in owned if each.screened and each.id in final])
        for reason, count in refused.items():
            self.counters[f"deposits_unapplied_{reason}"] += count

    async def _settle_unclaimed(
        self, conn: Connection, unclaimed: Sequence[Owned], event: EventType
    ) -> list[Reason]:
        """Money without an intent is unapplied, new deposits for the reasons given; capital just counts.

        What comes to a standing address is accepted.
        """
        waiting = [deposit for deposit in unclaimed if deposit.kind != "capital"]
        fixed = await applications.of_deposits(conn, [deposit.id for deposit in waiting])
        orphaned = event is EventType.DEPOSIT_ORPHANED
        standing = await standing_addresses.amounts(conn, [] if orphaned else [each.id for each in waiting])
        new: dict[str, Decision] = {}
        moves: dict[str, tuple[Fixed, Decision]] = {}
        for deposit in waiting:
            reason = Reason.ORPHANED if orphaned else unclaimed_reason(deposit)
            decision = Decision(ApplicationState.UNAPPLIED, reason, 0)
            if reason is Reason.NO_INTENT and deposit.id in standing:
                decision = Decision(ApplicationState.ACCEPTED, None, standing[deposit.id])
            before = fixed.get(deposit.id)
            if before is None:
                new[deposit.id] = decision
            elif _moves(before, decision, deposit):
                moves[deposit.id] = before, decision
        await applications.insert(conn, new)
        await applications.advance(conn, moves)
        return [decision.reason for decision in new.values() if decision.reason is not None]


def _moves(before: Fixed, after: Decision, deposit: Owned) -> bool:
    """What was accepted stays so, unless screening holds it before it is booked."""
    if before.state is ApplicationState.ACCEPTED:
        return deposit.screened
    return before.state is ApplicationState.UNAPPLIED and before.reason is not after.reason


def unclaimed_reason(deposit: Owned) -> Reason:
    """Why money at an address without an intent counts for nothing."""
    if not deposit.booked:
        return Reason.UNSUPPORTED_TOKEN
    if deposit.screened:
        return Reason.HELD
    return Reason.NO_INTENT if deposit.kind == "payment" else Reason.UNSOLICITED
