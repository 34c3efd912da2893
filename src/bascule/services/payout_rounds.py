"""Rounds of approvals that are out of date: expired, or given under a roster or a policy that is not current.

A payout that waits for its first approvals ends with its round; one that was already approved gives its hold
back and is asked about anew. What a new policy denies ends. Runs in the caller's transaction, on one payout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bascule.domain.errors import Halted
from bascule.domain.payout import FailureCode, PayoutEvent, PayoutState
from bascule.domain.payout_batch import BatchState
from bascule.domain.policy import APPROVAL_LIFE, Rule
from bascule.domain.webhook import EventType
from bascule.services import mandate_rounds, policy
from bascule.services.approval_rounds import given_for, in_round_of
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.payouts import round_end
from bascule.services.policy import Verdict
from bascule.services.seams import Clock
from bascule.storage import approvals, ledger, payout_batches, payouts, policies
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow


@dataclass(frozen=True)
class PayoutRounds:
    """Ends and renews rounds."""

    clock: Clock
    outbox: Outbox

    async def settle(self, conn: Connection, payout_id: str) -> bool:
        """Brings one payout up to date; False when there was nothing to do."""
        payout = await payouts.lock(conn, payout_id)
        if payout is None or payout.state not in (PayoutState.PENDING, PayoutState.REQUIRES_ACTION):
            return False
        expired = payout.approval_expires_at <= self.clock.now()
        changed = payout.roster_version != await self._roster(conn, payout)
        review = await policy.review(conn, payout)
        ended = payout.mandate_id is not None and await mandate_rounds.ended(conn, payout.mandate_id)
        if not (expired or changed or review or ended):
            return False
        if review is not None:
            if review.decision.outcome == "deny":
                await self._deny(conn, await self._decided_anew(conn, payout, review), review)
                return True
            payout = await self._decided_anew(conn, payout, review)
        if payout.state is PayoutState.PENDING:
            await self.lapse(conn, payout)
            return True
        if expired:
            over = await payouts.advance(conn, payout, PayoutEvent.EXPIRE)
            await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, over, before=payout)
            return True
        renewed = await payouts.renew_round(
            conn,
            payout.id,
            roster_version=await self._roster(conn, payout),
            approval_expires_at=await self._next_end(conn, payout),
        )
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, renewed)
        return True

    async def lapse(self, conn: Connection, payout: PayoutRow) -> PayoutRow:
        """A locked payout, pending or named by the signer, gives its hold back and is asked about anew."""
        roster, end = await self._next_round(conn, payout)
        lapsed = await payouts.advance_to_requires_action(
            conn,
            payout,
            roster_version=roster,
            approval_expires_at=end,
            decision=payout.policy_decision if payout.mandate_id is None else _left(payout.mandate_id),
        )
        await ledger.post_release(conn, payout.id)
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, lapsed, before=payout)
        return lapsed

    async def _decided_anew(self, conn: Connection, payout: PayoutRow, review: Verdict) -> PayoutRow:
        return await payouts.decide_anew(
            conn,
            payout.id,
            policy_id=review.policy_id,
            approvals_required=review.decision.approvals_required,
            decision=review.decision.shown(),
        )

    async def _deny(self, conn: Connection, payout: PayoutRow, review: Verdict) -> None:
        """A locked payout that the policy does not allow any more ends; what it held is released."""
        if payout.state is PayoutState.PENDING:
            denylisted = review.decision.rule is Rule.DENYLIST
            code = FailureCode.DESTINATION_DENYLISTED if denylisted else FailureCode.LIMIT_EXCEEDED
            ended = await payouts.advance(conn, payout, PayoutEvent.DENY, failure_code=code)
            await ledger.post_release(conn, payout.id)
            await tell(conn, self.outbox, EventType.PAYOUT_FAILED, ended, before=payout)
        else:
            ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL)
            await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)

    async def _next_round(self, conn: Connection, payout: PayoutRow) -> tuple[int, datetime]:
        """Roster and end: those of its batch when that round is over, so that one signature renews them all.

        The first payout begins the batch's round, the others join while nobody has signed in it; so does one
        that went out under a mandate until now.
        """
        now, mandated = self.clock.now(), payout.mandate_id is not None
        roster, end = await self._roster(conn, payout), await self._next_end(conn, payout)
        over = payout.approval_expires_at <= now or payout.roster_version != roster or mandated
        if payout.batch_id is None or not over:
            return roster, end
        batch = await payout_batches.lock_if_free(conn, payout.batch_id)
        if batch is None or batch.state is not BatchState.PROCESSING:
            return roster, end
        if in_round_of(payout, batch):
            await payout_batches.begin_round(conn, batch.id, roster_version=roster, approval_expires_at=end)
        elif (
            batch.roster_version == roster
            and batch.approval_expires_at > (now if mandated else max(now, payout.approval_expires_at))
            and not await given_for(conn, batch)
        ):
            return roster, batch.approval_expires_at
        return roster, end

    async def _next_end(self, conn: Connection, payout: PayoutRow) -> datetime:
        """Never the end that was signed before: in a new round no old signature counts."""
        ruling = None if payout.policy_id is None else await policies.get(conn, payout.policy_id)
        life = APPROVAL_LIFE if ruling is None else ruling.rules.approval_life
        end = round_end(self.clock.now(), life)
        if payout.mandate_id is not None:  # whose end nobody signed for this payout
            return end
        return max(end, payout.approval_expires_at + timedelta(seconds=1))

    async def _roster(self, conn: Connection, payout: PayoutRow) -> int:
        version = await approvals.roster_version(conn, payout.account_id)
        if version is None:
            raise Halted(f"account {payout.account_id} has payout {payout.id} but no approvers")
        return version


def _left(mandate_id: str) -> dict[str, Any]:
    """The decision on a payout that its mandate carried no further."""
    return {"rule": Rule.MANDATE.value, "reasons": [f"{mandate_id} carries it no further; people must sign."]}
