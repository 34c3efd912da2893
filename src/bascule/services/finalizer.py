"""Finality: what stands deep enough is promoted, booked and told, in one transaction."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, NodesContradict, RpcError
from bascule.chain.heads import Header
from bascule.domain import finality
from bascule.domain.chain import BlockRef
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Retryable
from bascule.domain.finality import FinalityPolicy, Tags
from bascule.domain.webhook import EventType
from bascule.services import balance_events
from bascule.services.arrivals import Arrivals
from bascule.services.balance_check import BalanceCheck
from bascule.services.coins import Coins
from bascule.services.evidence import Evidence
from bascule.services.failpoints import Failpoints
from bascule.services.halts import Halts
from bascule.services.outflows import Outflows, Place
from bascule.services.prover import Prover
from bascule.services.seams import Clock
from bascule.storage import (
    addresses,
    audit,
    blocks,
    deposits,
    leases,
    ledger,
    networks,
    screening_lists,
    suspensions,
    transfers,
)
from bascule.storage.blocks import Cursor
from bascule.storage.database import Connection, Database
from bascule.storage.deposits import Owned
from bascule.storage.leases import Lease
from bascule.storage.networks import Network


class AddressesChanged(Retryable):
    """An address became ours that is not opened yet; nothing becomes final before, or it counts twice."""


async def adopt_policy(db: Database, network: Network, policy: FinalityPolicy) -> Network:
    """The network with this policy, in its row too, and audited; nothing is written where it says so already.

    What is final stays so: a policy that waits for more only lets the next blocks wait.
    """
    if policy == network.finality:
        return network
    change = {"from": str(network.finality), "to": str(policy)}
    async with db.transaction() as conn:
        await networks.set_finality(conn, network.chain_id, policy)
        await audit.append(
            conn,
            actor="process:watcher",
            action="network.finality",
            object_id=str(network.chain_id),
            details=change,
        )
    return replace(network, finality=policy)


@dataclass(frozen=True)
class Finalizer:
    """Raises the finalized height by the network's policy, never above what is proven, never back.

    What lacks evidence is made good first, by the prover's own hand, so many blocks a step.
    """

    db: Database
    rpc: Caller
    network: Network
    clock: Clock
    arrivals: Arrivals
    halts: Halts
    evidence: Evidence
    prover: Prover
    balances: BalanceCheck
    coins: Coins
    outflows: Outflows
    failpoints: Failpoints
    counters: Counter[str]

    async def promote(self, cursor: Cursor, head: Header, lease: Lease) -> int:
        """Finalizes what the policy allows; how many deposits became final and booked, or got their evidence.

        A node whose block at that height is not ours changes nothing: the watcher will find the fork.
        """
        target = await self._target(cursor, head, lease)
        if target is None:
            return 0
        late, whole = await self.evidence.asked_again(target.number)
        if not whole:
            await self.prover.keep(cursor, lease, {}, late)
            return len(late)
        broken = await self.balances.broken_late(cursor.finalized_number)
        broken = {**broken, **await self.balances.broken(cursor.finalized_number, target.number)}
        coin = await self.coins.moved(target.number)
        left = await self.outflows.look(cursor.finalized_number, target.number)
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            await screening_lists.look(conn)
            await self.balances.hold(conn, broken, target.number)  # from below the stretch, which waits too
            await blocks.finalize(conn, cursor, target)
            await self.evidence.keep(conn, late)
            if coin and await self.coins.record(conn, coin, target):
                await self.arrivals.take(conn, [target.hash])
            owned = await self._book(conn, cursor.finalized_number, target.number, left)
            self.failpoints.hit("watcher.before_finalize_commit")
        self.failpoints.hit("watcher.after_finalize_commit")
        self.counters["deposits_finalized"] += len(owned)
        self.counters["transfers_booked"] += sum(deposit.booked for deposit in owned)
        return len(owned)

    async def newest_final(self, head: Header, previous: int = -1) -> int:
        """The newest final height by the network's policy, as a quorum says; at least `previous`."""
        return await self.newest(self.network.finality, head, previous)

    async def newest(self, policy: FinalityPolicy, head: Header, previous: int = -1) -> int:
        """The newest height that `policy` reaches, as a quorum says; at least `previous`."""
        newest, tags = head.number, Tags()
        if policy.kind != "depth":
            said = await self._tagged(policy.kind)
            tags = Tags(safe=said) if policy.kind == "safe" else Tags(finalized=said)
        elif self.rpc.quorum > 1:  # one node alone may say that any depth is reached
            newest = min(newest, await heads.attested(self.rpc, "latest"))
        return finality.finalized_number(policy, newest, tags, previous)

    async def proven(self, cursor: Cursor) -> int:
        """The newest block up to which all are read and proven."""
        async with self.db.read() as conn:
            unproven = await blocks.unproven(conn, cursor.chain_id, 1)
        return unproven[0].ref.number - 1 if unproven else cursor.last_number

    async def agreed(self, cursor: Cursor, number: int, head: Header, *, settled: bool) -> BlockRef | None:
        """Our block at a height, where a quorum of nodes has the same one; else None."""
        if number == head.number and self.rpc.quorum == 1:
            theirs: Header | None = head
        else:
            [theirs] = await heads.agreed_by_numbers(self.rpc, [number], settled=settled)
        async with self.db.read() as conn:
            ours = await blocks.canonical_at(conn, cursor.chain_id, number)
        return ours if theirs is not None and ours is not None and theirs.hash == ours.hash else None

    async def _tagged(self, tag: str) -> int | None:
        """What a quorum has under a tag; None where nodes know no block by that name, or none yet."""
        try:
            return await heads.attested(self.rpc, tag)
        except RpcError as error:
            if error.says is not NodeSays.UNKNOWN_BLOCK:
                raise
            self.counters["finality_tag_unknown"] += 1
            return None

    async def _target(self, cursor: Cursor, head: Header, lease: Lease) -> BlockRef | None:
        """The block to finalize up to: read and proven, and the same one at a quorum of nodes.

        Raises: FinalBlockDisputed, latched, when nodes differ about a block that the policy calls final.
        """
        newest = await self.newest_final(head, cursor.finalized_number)
        number = min(newest, await self.proven(cursor))
        if number <= cursor.finalized_number:
            return None
        try:
            return await self.agreed(cursor, number, head, settled=True)
        except NodesContradict:
            disputed = finality.FinalBlockDisputed(number=number)
            await self.halts.latch(cursor, disputed, lease, disputed=number)
            raise disputed from None

    async def _book(self, conn: Connection, after: int, upto: int, left: Collection[Place]) -> list[Owned]:
        """Money comes in before it moves among our addresses and leaves them: no custody is overdrawn.

        Deposits of a token accepted since they came are of it from here on; final ones are booked now. What
        was held for a list is decided anew: its address is off it, or it lies there no more.
        """
        chain_id = self.network.chain_id
        ours = await addresses.own(conn, chain_id)
        if await addresses.to_open(conn, chain_id):
            raise AddressesChanged(f"an own address of chain {chain_id} has no opening yet")
        ended = await suspensions.unsettled(conn, chain_id)  # not those that an operator ends meanwhile
        policy = str(self.network.finality)
        named = await deposits.name_tokens(conn, chain_id)
        finalized = await deposits.advance_finalize(conn, chain_id, upto, self.clock.now(), policy)
        final, freed = [*finalized], [deposit_id for deposit_id, (listed, _) in finalized.items() if listed]
        # a list may have come since they did
        freed += await self.arrivals.screen(
            conn, [each for each, (_, screened) in finalized.items() if screened]
        )
        await self.evidence.require(conn, final)
        booked_now = {*final, *(k for k, state in named.items() if state is DepositState.FINALIZED)}
        # before they are decided anew: no list holds what has moved on
        self.counters["deposits_flushed"] += await deposits.mark_flushed(
            conn, chain_id, after, upto, sorted(booked_now)
        )
        settled = await self.arrivals.settle(
            conn, final, EventType.DEPOSIT_FINALIZED, {*named, *freed}, booked_now
        )
        await balance_events.tell(conn, self.arrivals.outbox, sorted(booked_now))
        moved = await transfers.internal_between(conn, chain_id, after, upto, sorted(booked_now))
        for block_hash, log_index in moved:
            await ledger.post_internal(conn, chain_id, block_hash, log_index)
        await self.outflows.book(conn, after, upto, left)
        await suspensions.settle(conn, ended)
        if await addresses.own(conn, chain_id) != ours:
            raise AddressesChanged(f"an address of chain {chain_id} became ours meanwhile")
        return [deposit for deposit in settled if deposit.id in booked_now]
