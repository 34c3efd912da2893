"""The watcher of one chain: blocks in, deposits out, nothing lost, nothing twice.

Each step reads the chain without a transaction and writes all of it in one: blocks, transfers, deposits,
what they make of intents, events, and the cursor, guarded by the cursor's last hash and the lease's epoch.
So a crash leaves the step before or the step after, and a second watcher can only wait.
"""

from collections import Counter
from collections.abc import Sequence

import structlog

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.chain.errors import IncompleteAnswer, NodesBehind
from bascule.chain.heads import Header
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import Retryable
from bascule.services import collector_watch, restore, unlisted
from bascule.services.arrivals import Arrivals
from bascule.services.balance_check import BalanceCheck
from bascule.services.breaks import Breaks
from bascule.services.coins import Coins
from bascule.services.disagreements import Disagreements
from bascule.services.early import Early
from bascule.services.evidence import Evidence
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.finalizer import Finalizer
from bascule.services.halts import Halts
from bascule.services.openings import Openings
from bascule.services.outbox import Outbox
from bascule.services.outflows import Outflows
from bascule.services.prover import Prover
from bascule.services.ranges import Ranges
from bascule.services.reading import FIRST_SPAN, Reader, Reading, Span
from bascule.services.reorgs import Reorgs
from bascule.services.seams import Clock, Entropy
from bascule.services.sightings import Sightings
from bascule.services.suspending import Suspending
from bascule.services.token_watch import TokenWatch
from bascule.storage import blocks, leases, ledger, networks, tokens, transfers
from bascule.storage.blocks import Cursor, Read
from bascule.storage.database import Database
from bascule.storage.leases import Lease
from bascule.storage.networks import Network
from bascule.storage.transfers import Transfer

_log = structlog.get_logger()
_PROOFS_A_STEP = 16  # rounds
_READ_AGAIN_AT_ONCE = 32  # blocks


class Watcher:
    """Reads one chain to its head and promotes what is final. Several may run; one at a time works.

    lease_seconds: how long a silent watcher keeps others waiting; blocks_per_step: at most so many blocks in
    one transaction near the head; far_distance: blocks so far behind the head are read by range, at most
    blocks_per_range at once; seen_blocks: as of `transfers.record`. `counters` says what was read, passed
    over and refused, by name.
    """

    def __init__(
        self,
        db: Database,
        rpc: Caller,
        network: Network,
        *,
        clock: Clock,
        entropy: Entropy,
        outbox: Outbox,
        failpoints: Failpoints = NO_FAILPOINTS,
        lease_seconds: float = 15.0,
        blocks_per_step: int = 32,
        far_distance: int = 64,
        blocks_per_range: int = 512,
        seen_blocks: int = 4_096,
        log_seen: restore.LogSeen | None = None,
    ) -> None:
        self.name = f"watcher:{network.chain_id}"
        self.chain_id = network.chain_id
        self.counters: Counter[str] = Counter()
        self.depths: Counter[int] = Counter()
        self._db, self._rpc, self._network = db, rpc, network
        self._failpoints = failpoints
        self._holder = entropy.bytes(8).hex()
        self._lease_seconds = lease_seconds
        self._blocks_per_step = blocks_per_step
        self._far_distance = far_distance
        self._seen_blocks = seen_blocks
        self._addresses_since = 0
        self._waiting: list[tuple[Hash, int]] = []
        self._chain_checked = False
        self._log_seen = log_seen or restore.LogSeen()
        self._arrivals = Arrivals(network.chain_id, clock, entropy, outbox, self.counters)
        self._disagreements = Disagreements(db, {network.chain_id: rpc}, clock, failpoints, self.counters)
        self._openings = Openings(db, rpc, network, clock, entropy)
        self._sightings = Sightings(db, network.chain_id, clock, failpoints)
        self._halts = Halts(db, rpc, network, outbox, failpoints)
        suspending = Suspending(clock, outbox)
        breaks = Breaks(outbox)
        self._token_watch = TokenWatch(network.chain_id, suspending, breaks, self.counters)
        self._reorgs = Reorgs(
            db, rpc, self._arrivals, self._halts, self._token_watch, failpoints, self.counters, self.depths
        )  # fmt: skip
        span = Span(min(FIRST_SPAN, blocks_per_range), most=blocks_per_range, ceiling=blocks_per_range)
        self._reader = Reader(rpc, network.chain_id, self.counters, span=span)
        self._ranges = Ranges(rpc, self._reader)
        evidence = Evidence(db, rpc, network.chain_id, clock)
        self._prover = Prover(
            db, rpc, self._reader, self._reorgs, evidence, self._token_watch, failpoints, self.counters
        )  # fmt: skip
        balances = BalanceCheck(db, rpc, network.chain_id, breaks, suspending, self.counters)
        self._outflows = Outflows(db, rpc, network.chain_id, breaks, suspending, self.counters)
        coins = Coins(db, rpc, network.chain_id, clock, entropy, self.counters)
        self._finalizer = Finalizer(
            db,
            rpc,
            network,
            clock,
            self._arrivals,
            self._halts,
            evidence,
            self._prover,
            balances,
            coins,
            self._outflows,
            failpoints,
            self.counters,
        )
        self._early = Early(db, rpc, self._finalizer, clock, outbox, failpoints, self.counters)

    async def run_once(self) -> int:
        """One step towards the head, then proof and finality: how much of all that moved; 0 at the head.

        Raises: Retryable (the node or the database is not ready, or restored), with what moved in `done`
        where reading went well: what holds up proof or finality holds up no block; ChainHalted.
        """
        await self._disagreements.run_once()
        lease = await self._claim()
        if lease is None:
            return 0
        await self._check_chain()
        async with self._db.read() as conn:
            await restore.require_known(conn, self._log_seen)  # at each step: it may be replaced under us
            await unlisted.recall(conn, self._rpc, self._network.chain_id)
            cursor = await blocks.cursor(conn, self._network.chain_id)
            self._reader.tokens.update(await tokens.accepted(conn, self._network.chain_id))
            self._reader.factories.update(await networks.deposit_factories(conn, self._network.chain_id))
        if cursor is not None and await self._halts.settled(cursor, lease):
            cursor = await self._cursor()
        blocks.require_running(cursor)
        head = await self._head(cursor, lease)
        await self._sightings.note(head.ref, lease)
        if cursor is None:
            return await self._start(head, lease)
        try:
            done, late = await self._opened(cursor, lease)
            done += await self._step(cursor, head, lease)
            proven, unproven = await self._prove(lease)
        except IncompleteAnswer as error:
            self.counters["answers_refused"] += 1
            _log.warning("a node's answer contradicts its header", chain_id=cursor.chain_id, why=str(error))
            await self._learn(head, lease)
            raise
        done += proven
        waits = [each for each in (late, unproven) if each is not None]
        try:
            if late is None:  # nothing becomes final before
                done += await self._finalizer.promote(await self._cursor(), head, lease)
                done += await self._early.settle(await self._cursor(), head, lease)
        except Retryable as error:
            waits.append(error)
        if waits:
            waiting = waits[0] if len(waits) == 1 else Retryable("; ".join(map(str, waits)))
            waiting.done = done
            raise waiting
        return done

    async def _learn(self, head: Header, lease: Lease) -> None:
        """What headers prove; if nothing on a chain that nobody listed, what is not final is read again."""
        cursor = await self._cursor()
        async with self._db.read() as conn:
            unproven = await blocks.unproven(conn, cursor.chain_id, 1)
            above = await blocks.canonical_at(conn, cursor.chain_id, cursor.finalized_number + 1)
        number = unproven[0].ref.number if unproven else cursor.next_number
        try:
            if not await unlisted.learn(self._rpc, number, head.number):
                return
        except Retryable:
            return
        self.counters["headers_prove_nothing"] += 1
        self._ranges.drop()
        if above is not None and self._rpc.family is None:
            await self._reorgs.go_behind(cursor, above, lease)

    async def _prove(self, lease: Lease) -> tuple[int, Retryable | None]:
        """As much as a range brings, so that proof keeps up with reading; how many blocks, and what kept it
        from going on: what was proven before becomes final all the same. Raises: IncompleteAnswer.
        """
        done = 0
        for _ in range(_PROOFS_A_STEP):
            try:
                proven = await self._prover.prove(await self._cursor(), lease)
            except IncompleteAnswer:
                raise
            except Retryable as error:
                return done, error
            done += proven
            if proven < self._prover.blocks_per_round:
                break
        return done, None

    async def _head(self, cursor: Cursor | None, lease: Lease) -> Header:
        """The nodes' newest block. While it is below what they said before, what is final is looked at."""
        try:
            return await heads.latest(self._rpc)
        except NodesBehind:
            if cursor is not None:
                await self._reorgs.require_final(cursor, cursor.finalized_number, lease)
            raise

    async def _cursor(self) -> Cursor:
        async with self._db.read() as conn:
            cursor = await blocks.cursor(conn, self._network.chain_id)
        assert cursor is not None, "a chain that was started has a cursor"
        return cursor

    async def release(self) -> None:
        """Gives the lease back at the end of the process."""
        self._ranges.drop()
        lease = await self._claim()
        if lease is not None:
            async with self._db.transaction() as conn:
                await leases.release(conn, lease)

    async def _claim(self) -> Lease | None:
        async with self._db.transaction() as conn:
            lease = await leases.claim(conn, self.name, self._holder, self._lease_seconds)
            self._failpoints.hit("watcher.before_lease")
        self._failpoints.hit("watcher.after_lease")
        return lease

    async def _check_chain(self) -> None:
        if not self._chain_checked:
            await heads.require_chain(self._rpc, self._network.chain_id)
            self._chain_checked = True

    async def _start(self, head: Header, lease: Lease) -> int:
        """The first block of a chain: final, with the balances our addresses had at its end."""
        first = await self._openings.first_block(await self._finalizer.newest_final(head))
        if first is None:
            return 0
        pairs = await self._openings.missing()
        openings = await self._openings.read(pairs, first.ref)
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await blocks.record(conn, self._network.chain_id, [Read(first.ref, "none")])
            await blocks.start_cursor(conn, self._network.chain_id, first.ref)
            await self._openings.book(conn, first.ref, openings)
            self._failpoints.hit("watcher.before_start")
        self._failpoints.hit("watcher.after_start")
        return 1

    async def _opened(self, cursor: Cursor, lease: Lease) -> tuple[int, Retryable | None]:
        """As `_open_late`, and why it has to wait: blocks are read all the same, or a fork stays unseen."""
        try:
            return await self._open_late(cursor, lease), None
        except IncompleteAnswer:
            raise
        except Retryable as error:
            return 0, error

    async def _open_late(self, cursor: Cursor, lease: Lease) -> int:
        """Opens addresses that were registered meanwhile, and reads again what touched them since.

        Only when the node has every block that we have: what it does not show now would never be read again.
        """
        pairs = await self._openings.missing()
        if not pairs:
            return 0
        async with self._db.read() as conn:
            final = await blocks.canonical_at(conn, cursor.chain_id, cursor.finalized_number)
            last = await blocks.canonical_at(conn, cursor.chain_id, cursor.last_number)
        assert final is not None, "what is final was read"
        assert last is not None, "where the cursor stands was read"
        openings = await self._openings.read(pairs, final)
        touching = await self._touching({owner for owner, _ in pairs}, cursor)
        if touching is None:
            return 0
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await blocks.move_cursor(conn, cursor, last)
            await self._openings.book(conn, final, openings)
            await transfers.record(conn, cursor.chain_id, touching, seen_blocks=self._seen_blocks)
            await self._arrivals.take(conn, list(dict.fromkeys(each.block_hash for each in touching)))
            self._failpoints.hit("watcher.before_opening")
        self._failpoints.hit("watcher.after_opening")
        _log.info("addresses opened late", chain_id=cursor.chain_id, block=final.number, pairs=len(pairs))
        return len(pairs)

    async def _touching(self, owners: set[Address], cursor: Cursor) -> list[Transfer] | None:
        """The transfers from and to some addresses above the final block, a few blocks at a time.

        None when the node does not show what we have, or another watcher took over meanwhile.
        """
        found: list[Transfer] = []
        for first in range(cursor.finalized_number + 1, cursor.next_number, _READ_AGAIN_AT_ONCE):
            upto = min(cursor.last_number, first + _READ_AGAIN_AT_ONCE - 1)
            async with self._db.read() as conn:
                known = await blocks.canonical_between(conn, cursor.chain_id, first, upto)
            headers = await self._same([block.ref for block in known])
            if headers is None or await self._claim() is None:
                return None
            reading = await self._reader.read(headers, proven=True)
            found += [each for each in reading.transfers if each.src in owners or each.dst in owners]
        return found

    async def _same(self, known: Sequence[BlockRef]) -> list[Header] | None:
        """The node's headers of blocks we have; None when it lags behind us or is on another fork."""
        headers = await heads.by_numbers(self._rpc, [block.number for block in known])
        same = [h for h, ours in zip(headers, known, strict=True) if h is not None and h.hash == ours.hash]
        return same if len(same) == len(known) else None

    async def _step(self, cursor: Cursor, head: Header, lease: Lease) -> int:
        """Towards the head by one chunk, or back to the fork; nothing when the node has nothing newer."""
        if head.number <= cursor.last_number:
            return await self._step_down(cursor, head, lease)
        seam = head.number - self._far_distance
        if cursor.next_number <= seam:
            return await self._far(cursor, seam, head, lease)
        headers = await self._next(cursor, head)
        if not headers:
            return 0
        if headers[0].ref.parent != cursor.last_hash:
            return await self._reorgs.go_back(cursor, headers[0].number, head, lease)
        await self._commit(cursor, await self._reader.read(headers), lease)
        return len(headers)

    async def _far(self, cursor: Cursor, seam: int, head: Header, lease: Lease) -> int:
        """Towards the seam by one range; the next ones are read while it is committed."""
        reading = await self._ranges.next(cursor, seam)
        if not reading.blocks:
            return 0
        if reading.blocks[0].ref.parent != cursor.last_hash:
            self._ranges.drop()
            return await self._reorgs.go_back(cursor, reading.blocks[0].ref.number, head, lease)
        await self._commit(cursor, reading, lease)
        return len(reading.blocks)

    async def _step_down(self, cursor: Cursor, head: Header, lease: Lease) -> int:
        """Nothing, while the node merely lags behind a chain that is ours; otherwise back to the fork."""
        async with self._db.read() as conn:
            ours = await blocks.canonical_at(conn, cursor.chain_id, head.number)
        if ours is not None and ours.hash != head.hash:
            return await self._reorgs.go_back(cursor, head.number, head, lease)
        self.counters["head_went_down"] += head.number < cursor.last_number
        return 0

    async def _next(self, cursor: Cursor, head: Header) -> list[Header]:
        """The headers after the cursor, as far as they link up among each other."""
        last = min(head.number, cursor.last_number + self._blocks_per_step)
        if last == cursor.next_number == head.number:
            return [head]
        return heads.linked(await heads.by_numbers(self._rpc, range(cursor.next_number, last + 1)))

    async def _commit(self, cursor: Cursor, reading: Reading, lease: Lease) -> None:
        worth = self._rpc.worth
        async with self._db.transaction() as conn:
            await leases.hold(conn, lease)
            await blocks.move_cursor(conn, cursor, reading.blocks[-1].ref)
            await blocks.record(conn, cursor.chain_id, reading.blocks)
            await unlisted.keep(conn, cursor.chain_id, worth)
            recorded = await transfers.record(
                conn, cursor.chain_id, reading.transfers, seen_blocks=self._seen_blocks
            )
            late = await transfers.record_late(conn, cursor.chain_id, self._addresses_since, self._waiting)
            await self._token_watch.take(conn, reading.events)  # before what came to addresses that they list
            arrived = [block.ref.hash for block in reading.blocks] if recorded.ours else []
            if arrived or late.blocks:
                await self._arrivals.take(conn, [*late.blocks, *arrived])
            for block_hash, log_index in late.internal:
                await ledger.post_internal_if_covered(conn, cursor.chain_id, block_hash, log_index)
            await self._outflows.found(conn, late.found)
            self._failpoints.hit("watcher.before_commit")
        self._failpoints.hit("watcher.after_commit")
        collector_watch.tell(cursor.chain_id, reading.events, self.counters)
        self.counters["blocks_read"] += len(reading.blocks)
        self._addresses_since, self._waiting = late.since, late.waiting
        self.counters["transfers_recorded"] += recorded.ours
        self.counters["transfers_seen"] += recorded.seen
        self.counters["transfers_of_others"] += len(reading.transfers) - sum(recorded)
