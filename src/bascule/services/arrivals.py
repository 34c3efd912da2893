"""Arrivals: transfers of newly canonical blocks become deposits, and are matched.

Runs inside the watcher's transaction, and may run twice over the same blocks: a deposit is found by the
identity of its payment, so nothing is made twice.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import ChainId, Hash
from bascule.domain.ids import Prefix
from bascule.domain.matching import Decision, Fixed
from bascule.domain.webhook import EventType
from bascule.services import deposits as deposit_service
from bascule.services import matcher
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_ids
from bascule.storage import applications, deposits, ledger, transfers
from bascule.storage.database import Connection
from bascule.storage.deposits import Owned


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
class Arrivals:
    """Turns canonical transfers into deposits and says so, in the caller's transaction."""

    chain_id: ChainId
    clock: Clock
    entropy: Entropy
    outbox: Outbox
    counters: Counter[str]

    async def take(self, conn: Connection, block_hashes: Sequence[Hash]) -> None:
        """Every transfer from outside to us in these blocks is a deposit, detected, when this returns."""
        await self._settle(conn, await self.store(conn, block_hashes), EventType.DEPOSIT_DETECTED)

    async def store(self, conn: Connection, block_hashes: Sequence[Hash]) -> list[Owned]:
        """Stores those deposits; nothing is decided about them and nothing told before `take` does both."""
        most = await transfers.count_in(conn, self.chain_id, block_hashes)
        ids = new_ids(Prefix.DEPOSIT, self.clock, self.entropy, most)
        arrived = await deposits.insert_arrived(conn, self.chain_id, block_hashes, ids, self.clock.now())
        returned = await deposits.advance_return(conn, self.chain_id, arrived.known)
        self.counters["deposits_detected"] += len(arrived.new)
        self.counters["deposits_returned"] += len(returned)
        if not returned:
            return arrived.new
        return await deposits.owners(conn, [*(deposit.id for deposit in arrived.new), *returned])

    async def orphan_above(self, conn: Connection, number: int) -> None:
        """Every unfinished deposit above a height is orphaned when this returns."""
        ids = await deposits.advance_orphan(conn, self.chain_id, number)
        self.counters["deposits_orphaned"] += len(ids)
        await self.settle(conn, ids, EventType.DEPOSIT_ORPHANED)

    async def settle(
        self,
        conn: Connection,
        ids: Sequence[str],
        event: EventType,
        named: Collection[str] = (),
        final: Collection[str] = (),
    ) -> list[Owned]:
        """Decides anew what the deposits' intents have, tells all of it, and returns the deposits.

        named: deposits whose token is accepted only now, or that a list held: what was decided about them
        binds no more, and those that are not among `ids` have nothing else to tell. final: those that are
        booked, as far as their token is.
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
            conn, happened, self.outbox, self.clock, asked=named, booked=claimed
        )
        unclaimed = [deposit for deposit in owned if deposit.intent_id is None]
        if unclaimed:
            refused.update(await self._settle_unclaimed(conn, unclaimed, event))
            events = [(d.id, EventType.DEPOSIT_UNAPPLIED if d.id in quiet else event) for d in unclaimed]
            await self.outbox.append_many(conn, await deposit_service.happenings(conn, events))
            await ledger.post_deposits(conn, to_book[None])
        for reason, count in refused.items():
            self.counters[f"deposits_unapplied_{reason}"] += count

    async def _settle_unclaimed(
        self, conn: Connection, unclaimed: Sequence[Owned], event: EventType
    ) -> list[Reason]:
        """Money without an intent is unapplied, new deposits for the reasons given; capital just counts."""
        waiting = [deposit for deposit in unclaimed if deposit.kind != "capital"]
        fixed = await applications.of_deposits(conn, [deposit.id for deposit in waiting])
        orphaned = event is EventType.DEPOSIT_ORPHANED
        new: dict[str, Decision] = {}
        moves: dict[str, tuple[Fixed, Decision]] = {}
        for deposit in waiting:
            reason = Reason.ORPHANED if orphaned else _unclaimed_reason(deposit)
            decision = Decision(ApplicationState.UNAPPLIED, reason, 0)
            before = fixed.get(deposit.id)
            if before is None:
                new[deposit.id] = decision
            elif before.state is ApplicationState.UNAPPLIED and before.reason is not decision.reason:
                moves[deposit.id] = before, decision
        await applications.insert(conn, new)
        await applications.advance(conn, moves)
        return [decision.reason for decision in new.values() if decision.reason is not None]


def _unclaimed_reason(deposit: Owned) -> Reason:
    if not deposit.booked:
        return Reason.UNSUPPORTED_TOKEN
    return Reason.NO_INTENT if deposit.kind == "payment" else Reason.UNSOLICITED
