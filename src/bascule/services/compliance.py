"""What the compliance role does: it imports lists, and decides about what they hold.

Each use-case runs in the caller's transaction: the decision, what it makes of money and intents, the audit
line and the telling of it commit together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain import screening as rules
from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import Hash, hex32
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Forbidden, NotFound, Rejected
from bascule.domain.matching import Decision
from bascule.domain.screening import SCREENING, ScreeningEvent
from bascule.domain.webhook import EventType
from bascule.services import balance_events, matcher
from bascule.services import deposits as deposit_service
from bascule.services.arrivals import unclaimed_reason
from bascule.services.outbox import Outbox
from bascule.services.screening import Screening, book, tell
from bascule.services.screening_view import shown_list
from bascule.services.seams import Clock
from bascule.storage import (
    applications,
    audit,
    deposits,
    ledger,
    payment_intents,
    payouts,
    screening_lists,
    screenings,
)
from bascule.storage.database import Connection
from bascule.storage.deposits import Waiting
from bascule.storage.screening_lists import Version
from bascule.storage.screenings import Screening as Decided

RequestContext = Mapping[str, Any] | None
_TOLD = {
    ScreeningEvent.RELEASE: EventType.SCREENING_RELEASED,
    ScreeningEvent.REJECT: EventType.SCREENING_REJECTED,
}


@dataclass(frozen=True)
class Compliance:
    """Use-cases on lists and screenings. actor: key_… or cli."""

    clock: Clock
    outbox: Outbox

    async def import_list(
        self,
        conn: Connection,
        name: str,
        text: str,
        *,
        actor: str,
        may_shrink: bool = False,
        dry_run: bool = False,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """The list's new version, or the one in force where the file is that one's.

        dry_run: what it would be; nothing changes. Raises: Rejected `screening_list_damaged`,
        `screening_list_name_invalid`; Conflict `screening_list_shrinks`.
        """
        rules.require_name(name)
        after = rules.read(text)
        digest = Hash(hashlib.sha256(text.encode()).digest())
        await screening_lists.serialize(conn)
        now = await screening_lists.newest(conn, name)
        if now is not None and now.digest == digest:
            return shown_list(now)
        before = {} if now is None else await screening_lists.entries(conn, name, now.version)
        rules.require_growth(before, after, may_shrink=may_shrink)
        change = rules.change(before, after)
        number = 1 if now is None else now.version + 1
        new = Version(
            id=f"{name}.{number}", name=name, version=number, digest=digest, entries=len(after),
            added=len(change.added), removed=len(change.removed), imported_by=actor,
            created_at=self.clock.now(), rescreened_at=None,
        )  # fmt: skip
        if dry_run:
            return shown_list(new)
        stored = await screening_lists.insert(conn, new, change.added, change.removed)
        await screening_lists.come_into_force(conn)
        details = {
            "digest": hex32(digest),
            "entries": new.entries,
            "added": new.added,
            "removed": new.removed,
        }
        await _note(conn, "screening_list.import", stored.id, actor, details, context)
        return shown_list(stored)

    async def release(
        self,
        conn: Connection,
        screening_id: str,
        *,
        reason: str,
        actor: str,
        livemode: bool | None = None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """The screening, released: what it held goes on as if nothing had been.

        livemode: None for whoever sees both modes. Raises: NotFound; Rejected `parameter_missing`; Conflict
        `screening_unexpected_state`; Forbidden `screening_own_payout`.
        """
        return await self._decide(
            conn, screening_id, ScreeningEvent.RELEASE, reason, actor, livemode, context
        )

    async def reject(
        self,
        conn: Connection,
        screening_id: str,
        *,
        reason: str,
        actor: str,
        livemode: bool | None = None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A deposit stays held for good, a payout ends unpaid. Raises: as `release`."""
        return await self._decide(conn, screening_id, ScreeningEvent.REJECT, reason, actor, livemode, context)

    async def _decide(
        self,
        conn: Connection,
        screening_id: str,
        event: ScreeningEvent,
        reason: str,
        actor: str,
        livemode: bool | None,
        context: RequestContext,
    ) -> dict[str, Any]:
        if not reason.strip():
            raise Rejected("parameter_missing", "A screening is decided for a reason.", param="reason")
        found = await screenings.get(conn, screening_id)
        if found is None or livemode not in (None, found.livemode):
            raise NotFound("resource_missing", f"No such screening: {screening_id!r:.70}.", param="id")
        await screening_lists.look(conn)
        # in everybody's order: what it holds, then the intent of that, then the screening, then balances
        deposit = None if found.deposit_id is None else await deposits.hold(conn, found.deposit_id)
        if found.payout_id is not None:
            await _require_other(conn, found.payout_id, actor)
        if deposit is not None and deposit.intent_id is not None:
            await payment_intents.lock_many(conn, [deposit.intent_id])
        locked = await screenings.lock(conn, screening_id)
        assert locked is not None, "screenings are never deleted"
        SCREENING.step(locked.state, event)
        decided = await screenings.advance(conn, locked, event, at=self.clock.now(), by=actor, reason=reason)
        details = {"reason": reason, "list": f"{decided.list}.{decided.version}"}
        subject = {"deposit": decided.deposit_id, "payout": decided.payout_id}
        await _note(conn, f"screening.{event}", decided.id, actor, details | subject, context)
        if deposit is not None and event is ScreeningEvent.RELEASE:
            await self._let_go(conn, decided, deposit, context)
        [shown] = await tell(conn, self.outbox, _TOLD[event], [decided.id], context)
        return shown

    async def _let_go(
        self, conn: Connection, released: Decided, deposit: Waiting, context: RequestContext
    ) -> None:
        """The deposit counts for what it would have counted for, and its money moves with that.

        Where another list names its sender, that one holds it from now on, and is decided about next.
        """
        if await Screening(self.outbox).deposits(conn, [deposit.id]):
            await ledger.post_screening(conn, released.id)
            await book(conn, [deposit.id])
            return
        before = (await applications.of_deposits(conn, [deposit.id])).get(deposit.id)
        if before is not None and before.state is ApplicationState.ACCEPTED:
            return  # it would have been held once it is final, and is its merchant's now
        if before is not None and before.state is ApplicationState.REFUNDED:
            await ledger.post_screening(conn, released.id)  # its refund goes on from there
            return
        if deposit.intent_id is None:
            await self._unclaimed(conn, deposit, context)
        else:
            await matcher.recompute(
                conn, {deposit.intent_id: {}}, self.outbox, self.clock, asked={deposit.id}, request=context
            )
        await ledger.post_screening(conn, released.id)
        now = (await applications.of_deposits(conn, [deposit.id])).get(deposit.id)
        applied = now is not None and now.state is ApplicationState.APPLIED
        if applied and deposit.booked and deposit.state is DepositState.FINALIZED:
            await ledger.post_application(conn, deposit.id)
            await balance_events.tell(conn, self.outbox, [deposit.id], context)

    async def _unclaimed(self, conn: Connection, deposit: Waiting, context: RequestContext) -> None:
        before = (await applications.of_deposits(conn, [deposit.id])).get(deposit.id)
        if before is None or before.reason is not Reason.HELD:
            return
        [owned] = await deposits.owners(conn, [deposit.id])
        after = Decision(ApplicationState.UNAPPLIED, unclaimed_reason(owned), 0)
        await applications.advance(conn, {deposit.id: (before, after)})
        await deposits.grow_versions(conn, [deposit.id])
        told = await deposit_service.happenings(conn, [(deposit.id, EventType.DEPOSIT_UNAPPLIED)])
        await self.outbox.append_many(conn, [each._replace(request=context) for each in told])


async def _require_other(conn: Connection, payout_id: str, actor: str) -> None:
    """Who asked for a payout does not say that it may be paid."""
    payout = await payouts.lock(conn, payout_id)
    if payout is not None and payout.requested_by == actor:
        raise Forbidden(
            "screening_own_payout",
            "Who asked for the payout does not decide about its screening.",
            next_step="Let somebody else of the compliance role decide, with a key of their own.",
        )


async def _note(
    conn: Connection,
    action: str,
    object_id: str,
    actor: str,
    details: Mapping[str, Any],
    context: RequestContext,
) -> None:
    request_id = None if context is None else context.get("id")
    await audit.append(
        conn, actor=actor, action=action, object_id=object_id, details=details, request_id=request_id
    )
