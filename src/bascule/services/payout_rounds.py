"""Rounds of approvals that are out of date: expired, or given under a roster, a policy or a vault of before.

A payout that waits for its first approvals ends with its round; one that was already approved gives its hold
back and is asked about anew. What a new policy denies ends. One that has no id yet goes to the vault of its
chain; one that has stays with the vault of its id, which alone can pay it. Runs in the caller's transaction,
on one payout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bascule.domain import acts_next
from bascule.domain.acts_next import record
from bascule.domain.errors import Halted
from bascule.domain.payout import FailureCode, LapseReason, PayoutEvent, PayoutState
from bascule.domain.payout_batch import BatchState
from bascule.domain.policy import APPROVAL_LIFE, Rule
from bascule.domain.webhook import EventType
from bascule.services import mandate_rounds, policy
from bascule.services.approval_rounds import given_for, pays, round_of
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell, tell_all
from bascule.services.payouts import round_end
from bascule.services.policy import Verdict
from bascule.services.seams import Clock
from bascule.services.signatories import may_sign
from bascule.storage import approvals, ledger, payout_batches, payout_rounds, payouts, policies, screenings
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow
from bascule.storage.payout_rounds import Round
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
        if await screenings.rejected(conn, payout.id):
            await self._deny(conn, payout, FailureCode.SCREENING_REJECTED)
            return True
        review = await policy.review(conn, payout)
        reason = await self._reason(conn, payout, decided=review is not None)
        if reason is None:
            return False
        if review is not None:
            if review.decision.outcome == "deny":
                code = FailureCode(review.decision.rule.code)
                await self._deny(conn, await self._decided_anew(conn, payout, review), code)
                return True
            payout = await self._decided_anew(conn, payout, review)
        if payout.state is PayoutState.PENDING:
            await self.lapse(conn, payout, reason, anew=review is not None)
            return True
        if expired:
            late = FailureCode.APPROVAL_EXPIRED
            over = await payouts.advance(conn, payout, PayoutEvent.EXPIRE, failure_code=late)
            await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, over, before=payout)
            return True
        new = await self._next_round(conn, payout, reason, anew=review is not None)
        renewed = await payout_rounds.renew(conn, payout.id, new)
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, renewed)
        return True

    async def lapse(
        self, conn: Connection, payout: PayoutRow, reason: LapseReason, *, anew: bool = False
    ) -> PayoutRow:
        """A locked payout, pending or named by the signer, gives its hold back and is asked about anew.

        anew: another policy decided on it.
        """
        new = await self._next_round(conn, payout, reason, anew=anew)
        decision = payout.policy_decision
        if payout.mandate_id is not None:
            decision = await _left(conn, payout, payout.mandate_id, new)
        lapsed = await payout_rounds.advance_to_requires_action(conn, payout, new, decision=decision)
        await ledger.post_release(conn, payout.id)
        await tell(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, lapsed, before=payout)
        return lapsed

    async def _reason(self, conn: Connection, payout: PayoutRow, *, decided: bool) -> LapseReason | None:
        """Why approvals for it count no more; None while they do. decided: policy says something new."""
        if payout.vault != await pays(conn, payout):
            return LapseReason.VAULT_MIGRATED
        if payout.roster_version != await self._roster(conn, payout):
            return LapseReason.ROSTER_CHANGED
        if decided:
            return LapseReason.POLICY_CHANGED
        if payout.mandate_id is not None and await mandate_rounds.ended(conn, payout.mandate_id):
            return LapseReason.MANDATE_ENDED
        return LapseReason.APPROVAL_EXPIRED if payout.approval_expires_at <= self.clock.now() else None

    async def _decided_anew(self, conn: Connection, payout: PayoutRow, review: Verdict) -> PayoutRow:
        return await payout_rounds.decide_anew(
            conn,
            payout.id,
            policy_id=review.policy_id,
            approvals_required=review.decision.approvals_required,
            decision=review.decision.shown(review.may_sign),
        )

    async def _deny(self, conn: Connection, payout: PayoutRow, code: FailureCode) -> None:
        """A locked payout that may not be paid any more ends; what it held is released."""
        if payout.state is PayoutState.PENDING:
            ended = await payouts.advance(conn, payout, PayoutEvent.DENY, failure_code=code)
            await ledger.post_release(conn, payout.id)
            await tell(conn, self.outbox, EventType.PAYOUT_FAILED, ended, before=payout)
        else:
            ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL, failure_code=code)
            await tell(conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout)

    async def _next_round(
        self, conn: Connection, payout: PayoutRow, reason: LapseReason, *, anew: bool
    ) -> Round:  # fmt: skip
        """Roster and end: those of its batch when that round is over, so that one signature renews them all.

        The first payout begins the batch's round, the others join while nobody has signed in it; so does one
        that went out under a mandate until now, and it begins one too where that of the batch is of another
        roster or vault. The batch needs as many people then as each of them does.
        """
        now, mandated = self.clock.now(), payout.mandate_id is not None
        roster, end = await self._roster(conn, payout), await self._next_end(conn, payout)
        new = Round(await pays(conn, payout), roster, end, reason)
        changed = (payout.vault, payout.roster_version) != (new.vault, roster)
        over = payout.approval_expires_at <= now or changed or mandated or anew
        if payout.batch_id is None or not over:
            return new
        batch = await payout_batches.lock_if_free(conn, payout.batch_id)
        if batch is None or batch.state not in (BatchState.PROCESSING, BatchState.REQUIRES_ACTION):
            return new
        if round_of(payout) == round_of(batch):
            await self._begin(conn, batch, payout, new)
            await self._follow(conn, batch, payout.token_id, reason)
        elif (batch.vault, batch.roster_version) != (new.vault, roster):
            if mandated and payout.vault_id is None:  # one that has an id may be of a vault that was left
                later = batch.approval_expires_at + timedelta(seconds=1)
                new = replace(new, approval_expires_at=max(end, later))
                await self._begin(conn, batch, payout, new)
        elif batch.approval_expires_at > (
            now if mandated else max(now, payout.approval_expires_at)
        ) and not await given_for(conn, batch):
            new = replace(new, approval_expires_at=batch.approval_expires_at)
            if payout.approvals_required > batch.approvals_required:
                await self._begin(conn, batch, payout, new)
        return new

    async def _begin(self, conn: Connection, batch: BatchRow, payout: PayoutRow, new: Round) -> None:
        """The locked batch is asked about until then, by as many people as the payout needs at least."""
        required = payout.approvals_required
        decision = batch.policy_decision
        if required > batch.approvals_required:
            decision = await self._raised(conn, batch, payout, new)
        await payout_batches.begin_round(
            conn, batch.id, vault=new.vault, roster_version=new.roster_version,
            approval_expires_at=new.approval_expires_at, required=required,
            decision=decision,
        )  # fmt: skip

    async def _raised(
        self, conn: Connection, batch: BatchRow, payout: PayoutRow, new: Round
    ) -> dict[str, Any]:  # fmt: skip
        """The decision on a batch that needs more people now, for one payout of it that does.

        Its others of that token are decided alike in their turn, and name who signed before until then.
        """
        others = [row for row in await payouts.of_batch(conn, batch.id) if row.token_id != payout.token_id]
        alike = {row.policy_id: row for row in (payout, *others)}.values()
        each = [await may_sign(conn, row, roster_version=new.roster_version) for row in alike]
        required = payout.approvals_required
        needs = f"Policy changed: {required} people must approve, not {batch.approvals_required} as before."
        people = acts_next.people(frozenset.intersection(*each), required)
        return record(Rule.WITHIN_LIMITS, [needs], people)

    async def _follow(
        self, conn: Connection, before: BatchRow, token_id: str, reason: LapseReason
    ) -> None:  # fmt: skip
        """What waits beside this token for the batch's signatures goes on to wait for the new ones."""
        ids = await payout_batches.follow_round(conn, before, beside=token_id, reason=reason)
        rows = await payouts.of_ids(conn, ids) if ids else {}
        await tell_all(conn, self.outbox, EventType.PAYOUT_REQUIRES_ACTION, [rows[id] for id in ids])

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


async def _left(conn: Connection, payout: PayoutRow, mandate_id: str, new: Round) -> dict[str, Any]:
    """The decision on a payout that its mandate carried no further."""
    people = await may_sign(conn, payout, roster_version=new.roster_version)
    said = f"{mandate_id} carries it no further; people must sign."
    return record(Rule.MANDATE, [said], acts_next.people(people, payout.approvals_required))
