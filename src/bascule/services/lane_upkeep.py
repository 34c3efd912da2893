"""What a vault lane sees to before it pays: rounds out of date, the float, what treasury was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bascule.chain.caller import Caller
from bascule.services import leaving
from bascule.services.failpoints import Failpoints
from bascule.services.float_watch import FloatWatch
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.seams import Clock
from bascule.storage import floats, leases, payouts
from bascule.storage.database import Database
from bascule.storage.lanes import Lane
from bascule.storage.leases import Lease

log = structlog.get_logger()


@dataclass(frozen=True)
class LaneUpkeep:
    """Sees to one lane of a chain, in steps that each commit under its lease."""

    db: Database
    rpc: Caller
    clock: Clock
    rounds: PayoutRounds
    float_watch: FloatWatch
    failpoints: Failpoints

    async def look(self, lane: Lane, lease: Lease) -> int:
        """Payouts whose approvals are over, or given under another roster or vault, are asked about anew.

        Those that may not be yet say why. How the float stands is told now and then.
        """
        due = await leaving.due(self.db, self.rpc, lane.chain_id, lane.vault, self.clock.now())
        await self.float_watch.look(lane, lease)
        done = 0
        for reason, ids in due.waiting.items():
            async with self.db.transaction() as conn:
                await leases.hold(conn, lease)
                if told := await payouts.mark_some_waiting(conn, ids, reason):
                    log.warning("payouts wait", reason=reason, payouts=told)
                self.failpoints.hit("submitter.before_wait")
            self.failpoints.hit("submitter.after_wait")
        for payout_id in due.ready:
            async with self.db.transaction() as conn:
                await leases.hold(conn, lease)
                done += await self.rounds.settle(conn, payout_id)
                self.failpoints.hit("submitter.before_round")
            self.failpoints.hit("submitter.after_round")
        return done + await self._settle_proposals(lane, lease)

    async def _settle_proposals(self, lane: Lane, lease: Lease) -> int:
        """What treasury was asked to send is done once it is booked, or not needed any more."""
        async with self.db.read() as conn:
            covered = await floats.covered(conn, lane.chain_id, lane.vault, self.clock.now())
        if not covered:
            return 0
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            for token_id in covered:
                await floats.settle(conn, lane.chain_id, lane.vault, token_id, self.clock.now())
            self.failpoints.hit("submitter.before_wait")
        self.failpoints.hit("submitter.after_wait")
        return len(covered)
