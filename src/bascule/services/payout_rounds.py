"""Rounds of approvals that are out of date: expired, or given under a roster that is no longer current.

A payout that waits for its first approvals ends with its round; one that was already approved gives its hold
back and is asked about anew. Runs in the caller's transaction, on one payout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule.domain.errors import Halted
from bascule.domain.payout import PayoutEvent, PayoutState
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.payouts import APPROVAL_LIFE, round_end
from bascule.services.seams import Clock
from bascule.storage import approvals, ledger, payouts
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow


@dataclass(frozen=True)
class PayoutRounds:
    """Ends and renews rounds. approval_life: how long a new round is open."""

    clock: Clock
    outbox: Outbox
    approval_life: timedelta = APPROVAL_LIFE

    async def settle(self, conn: Connection, payout_id: str) -> bool:
        """Brings one payout up to date; False when there was nothing to do."""
        payout = await payouts.lock(conn, payout_id)
        if payout is None:
            return False
        expired = payout.approval_expires_at <= self.clock.now()
        changed = payout.roster_version != await self._roster(conn, payout)
        if not (expired or changed):
            return False
        if payout.state is PayoutState.PENDING:
            await self.lapse(conn, payout)
            return True
        if payout.state is not PayoutState.REQUIRES_ACTION:
            return False
        if expired:
            ended = await payouts.advance(conn, payout, PayoutEvent.EXPIRE)
            await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)
            return True
        renewed = await payouts.renew_round(
            conn,
            payout.id,
            roster_version=await self._roster(conn, payout),
            approval_expires_at=self._next_end(payout),
        )
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, renewed)
        return True

    async def lapse(self, conn: Connection, payout: PayoutRow) -> PayoutRow:
        """A locked payout, pending or named by the signer, gives its hold back and is asked about anew."""
        lapsed = await payouts.advance_to_requires_action(
            conn,
            payout,
            roster_version=await self._roster(conn, payout),
            approval_expires_at=self._next_end(payout),
        )
        await ledger.post_release(conn, payout.id)
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, lapsed, before=payout)
        return lapsed

    def _next_end(self, payout: PayoutRow) -> datetime:
        """Never the end that was signed before: in a new round no old signature counts."""
        earliest = payout.approval_expires_at + timedelta(seconds=1)
        return max(round_end(self.clock.now(), self.approval_life), earliest)

    async def _roster(self, conn: Connection, payout: PayoutRow) -> int:
        version = await approvals.roster_version(conn, payout.account_id)
        if version is None:
            raise Halted(f"account {payout.account_id} has payout {payout.id} but no approvers")
        return version
