"""What came of authorizations, whoever presented them: the token's word, borne out by the watcher's deposits.

A node alone ends nothing: what paid has a proven deposit, and what never pays is said by a quorum at a final
block, and by the proven receipts of deposits that look like its payment: a payer may send the same by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bascule.chain import eip3009
from bascule.chain.caller import Caller
from bascule.chain.eip3009 import Nonce, Use
from bascule.chain.hexes import quantity
from bascule.domain.authorization import Failure
from bascule.domain.chain import BlockRef, ChainId
from bascule.domain.webhook import EventType
from bascule.services import authorization_view
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import authorizations, blocks, leases
from bascule.storage.authorizations import Pending
from bascule.storage.database import Connection, Database
from bascule.storage.leases import Lease

log = structlog.get_logger()


@dataclass(frozen=True)
class AuthorizationOutcomes:
    """Follows the authorizations of one chain."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    clock: Clock
    outbox: Outbox
    failpoints: Failpoints

    async def look(self, lease: Lease) -> int:
        """Brings every open one up to date; how many moved. Raises: as `Caller`."""
        async with self.db.read() as conn:
            followed = await authorizations.moved(conn, self.chain_id)
            waiting = await authorizations.pending(conn, self.chain_id)
            final = await self._final(conn) if waiting else None
        done = await self._follow(lease) if followed else 0
        if not waiting:
            return done
        spent = await eip3009.used(self.rpc, [_nonce(each) for each in waiting])
        for each, is_spent in zip(waiting, spent, strict=True):
            if is_spent:
                done += await self._include(each, lease)
        return done + (0 if final is None else await self._fail(waiting, spent, final, lease))

    async def _final(self, conn: Connection) -> BlockRef | None:
        """The newest final block; everything that came to us until then is a deposit."""
        cursor = await blocks.cursor(conn, self.chain_id)
        return (
            None
            if cursor is None
            else await blocks.canonical_at(conn, self.chain_id, cursor.finalized_number)
        )

    async def _follow(self, lease: Lease) -> int:
        """Their deposits are orphaned, or final."""
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            orphaned = await authorizations.advance_orphan(conn, self.chain_id)
            settled = await authorizations.advance_finalize(conn, self.chain_id, self.clock.now())
            await self._tell(conn, settled, EventType.AUTHORIZATION_SETTLED)
            self.failpoints.hit("presenter.before_outcome")
        self.failpoints.hit("presenter.after_outcome")
        return len(orphaned) + len(settled)

    async def _include(self, one: Pending, lease: Lease) -> int:
        """The deposit that the token's Transfer became is what it paid."""
        for use in await eip3009.uses(self.rpc, _nonce(one), one.since_block + 1):
            if (use.pay_to, use.amount) == (one.pay_to, one.amount):
                return await self._paid_by(one, use, lease)
        return 0

    async def _paid_by(self, one: Pending, use: Use, lease: Lease) -> int:
        place = (self.chain_id, use.tx_hash, use.block_hash, use.log_index)
        async with self.db.read() as conn:
            if await authorizations.deposit_of_use(conn, *place) is None:
                return 0  # the watcher has not read that block, or knows better
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            deposit_id = await authorizations.deposit_of_use(conn, *place)
            if deposit_id is None or not await authorizations.advance_include(conn, one.id, deposit_id):
                return 0
            self.failpoints.hit("presenter.before_outcome")
        self.failpoints.hit("presenter.after_outcome")
        return 1

    async def _fail(
        self, waiting: Sequence[Pending], spent: Sequence[bool], final: BlockRef, lease: Lease
    ) -> int:
        """Those that can never pay, as a quorum says at a final block, where no deposit of theirs came."""
        over = [
            each for each, is_spent in zip(waiting, spent, strict=True)
            if is_spent or each.valid_before <= final.time
        ]  # fmt: skip
        if not over:
            return 0
        nonces, height = [_nonce(each) for each in over], quantity(final.number)
        spent_then = await self.rpc.agreed(
            lambda node: eip3009.used(node, nonces, height), lambda said: said, settled=True
        )
        done = 0
        for each, is_spent in zip(over, spent_then, strict=True):
            if is_spent:
                done += await self._end(each, "nonce_used", lease)
            elif each.valid_before <= final.time:
                done += await self._end(each, "expired", lease)
        return done

    async def _end(self, one: Pending, failure: Failure, lease: Lease) -> int:
        """It never pays, unless a deposit like its payment is it, as that transaction's receipt says."""
        async with self.db.read() as conn:
            alike = await authorizations.alike(conn, one.id)
        for tx_hash in set(alike.values()):
            uses = await eip3009.proven_uses(self.rpc, _nonce(one), tx_hash)
            if uses is None:
                log.warning("a deposit like an authorization's is not shown", tx_hash=tx_hash.hex())
                return 0
            for use in uses:
                if (use.pay_to, use.amount) == (one.pay_to, one.amount):
                    return await self._paid_by(one, use, lease)
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            if not alike.keys() >= (await authorizations.alike(conn, one.id)).keys():
                return 0  # one more came meanwhile
            if not await authorizations.advance_fail(conn, one.id, failure, self.clock.now()):
                return 0
            await self._tell(conn, [one.id], EventType.AUTHORIZATION_FAILED)
            self.failpoints.hit("presenter.before_outcome")
        self.failpoints.hit("presenter.after_outcome")
        return 1

    async def _tell(self, conn: Connection, ids: Sequence[str], event: EventType) -> None:
        for id in ids:
            row = await authorizations.get(conn, id)
            assert row is not None, "it moved above"
            await self.outbox.append(
                conn, account_id=row.account_id, livemode=row.livemode, type=event, object_id=row.id,
                object_version=row.version, object=authorization_view.described(row),
            )  # fmt: skip


def _nonce(one: Pending) -> Nonce:
    return Nonce(one.contract, one.payer, one.nonce)
