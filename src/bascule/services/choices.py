"""What merchants decide about unapplied money: it counts for an intent, is kept without one, or goes back.

Each use-case runs in the caller's transaction: the decision, what it makes of intents, the journal and the
telling of it commit together. Money that is not final yet is decided about all the same, and booked when
it is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain import choice
from bascule.domain.application import ApplicationEvent, ApplicationState
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Conflict, Halted, NotFound, Rejected
from bascule.domain.matching import Decision, Fixed
from bascule.domain.money import SCALE
from bascule.domain.payment_intent import IntentState
from bascule.domain.webhook import EventType
from bascule.services import balance_events, matcher
from bascule.services import deposits as deposit_service
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock
from bascule.storage import applications, deposits, ledger, payment_intents, refunds, screening_lists
from bascule.storage.database import Connection
from bascule.storage.deposits import Waiting
from bascule.storage.payment_intents import IntentRow

RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True)
class Choices:
    """Use-cases on unapplied deposits."""

    clock: Clock
    outbox: Outbox

    async def apply(
        self,
        conn: Connection,
        deposit_id: str,
        intent_id: str,
        *,
        account_id: str,
        livemode: bool,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """The deposit, which counts for the intent now, whatever its address, token, network and time.

        Raises: NotFound when either is not the account's; Conflict or Rejected, each with its own code.
        """
        deposit = await _own(conn, deposit_id, account_id, livemode)
        locked = await _lock_intents(conn, deposit, intent_id)
        intent = locked.get(intent_id)
        if intent is None or (intent.account_id, intent.livemode) != (account_id, livemode):
            raise NotFound(
                "resource_missing", f"No such payment intent: {intent_id!r:.70}.", param="payment_intent"
            )
        await _require(conn, ApplicationEvent.APPLY, deposit)
        _require_fit(deposit, intent)
        await applications.choose(conn, deposit.id, intent.id)
        await matcher.recompute(
            conn, {id: {} for id in locked}, self.outbox, self.clock, asked={deposit.id}, request=context
        )
        return await self._booked(conn, deposit, ApplicationState.APPLIED, context)

    async def accept(
        self,
        conn: Connection,
        deposit_id: str,
        *,
        account_id: str,
        livemode: bool,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """The deposit, all of which is the merchant's now and counts for no intent. Raises: as `apply`."""
        deposit = await _own(conn, deposit_id, account_id, livemode)
        locked = await _lock_intents(conn, deposit)
        before = await _require(conn, ApplicationEvent.ACCEPT, deposit)
        kept = Decision(ApplicationState.ACCEPTED, None, deposit.amount)
        await applications.advance(conn, {deposit.id: (before, kept)})
        await deposits.grow_versions(conn, [deposit.id])
        told = await deposit_service.happenings(conn, [(deposit.id, EventType.DEPOSIT_APPLIED)])
        await self.outbox.append_many(conn, [each._replace(request=context) for each in told])
        await matcher.recompute(conn, {id: {} for id in locked}, self.outbox, self.clock, request=context)
        return await self._booked(conn, deposit, ApplicationState.ACCEPTED, context)

    async def give_back(
        self,
        conn: Connection,
        deposit_id: str,
        *,
        account_id: str,
        livemode: bool,
        context: RequestContext = None,
    ) -> Waiting:
        """The deposit, which only a refund takes from where it lies now. It is final. Raises: as `apply`."""
        deposit = await _own(conn, deposit_id, account_id, livemode)
        locked = await _lock_intents(conn, deposit)
        before = await _require(conn, ApplicationEvent.REFUND, deposit)
        if deposit.state is not DepositState.FINALIZED:
            raise Conflict(
                "refund_not_final",
                "The deposit is not final yet.",
                next_step="Ask again once it is finalized.",
            )
        if before.state is ApplicationState.UNAPPLIED:
            back = Decision(ApplicationState.REFUNDED, None, 0)
            await applications.advance(conn, {deposit.id: (before, back)})
            await deposits.grow_versions(conn, [deposit.id])
            await matcher.recompute(conn, {id: {} for id in locked}, self.outbox, self.clock, request=context)
        return deposit

    async def _booked(
        self, conn: Connection, deposit: Waiting, state: ApplicationState, context: RequestContext
    ) -> dict[str, Any]:
        """The deposit as it is shown now; if it is final, its money has moved in the books."""
        shown = await deposit_service.describe(conn, deposit.id)
        application = shown["application"]
        if application is None or application["status"] != state:
            raise Halted(f"deposit {deposit.id} was to be {state} and is not")
        if deposit.state is DepositState.FINALIZED:
            await ledger.post_application(conn, deposit.id)
            await balance_events.tell(conn, self.outbox, [deposit.id], context)
            return await deposit_service.describe(conn, deposit.id)  # with its fee
        return shown


async def _own(conn: Connection, deposit_id: str, account_id: str, livemode: bool) -> Waiting:
    """The account's deposit, held first of all: the watcher takes deposits before intents, too."""
    await screening_lists.look(conn)
    deposit = await deposits.hold(conn, deposit_id)
    if deposit is None or (deposit.account_id, deposit.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such deposit: {deposit_id!r:.70}.", param="id")
    return deposit


async def _lock_intents(conn: Connection, deposit: Waiting, *more: str) -> dict[str, IntentRow]:
    """The intent the deposit is one of now, and more; in one order for everybody."""
    ids = {id for id in (*more, deposit.intent_id) if id is not None}
    return {row.id: row for row in await payment_intents.lock_many(conn, sorted(ids))}


async def _require(conn: Connection, event: ApplicationEvent, deposit: Waiting) -> Fixed:
    """What was decided until now, read under the locks. Raises: Conflict when that stands."""
    before = (await applications.of_deposits(conn, [deposit.id])).get(deposit.id)
    if before is None:
        raise Conflict(
            "deposit_unsolicited", "The deposit is capital of the operator; there is nothing to decide."
        )
    units = 0 if deposit.decimals is None else deposit.amount * 10 ** (SCALE - deposit.decimals)
    choice.require(
        event, before.state, before.reason, units, listed=deposit.listed, screened=deposit.screened
    )
    if event is ApplicationEvent.ACCEPT and await refunds.gives_back(conn, deposit.id):
        raise Conflict(
            "application_unexpected_state",
            "The deposit goes back by a refund, or its money is available since one was to be paid.",
            next_step=f"GET /v1/refunds?deposit={deposit.id} lists its refunds.",
        )
    if deposit.state is DepositState.FINALIZED and not deposit.booked:
        raise Conflict(
            "deposit_token_unsupported",
            "The deposit's token was not accepted when the deposit became final; it is in no books yet.",
        )
    if deposit.suspended:
        raise Conflict(
            "deposit_token_suspended",
            "The deposit's token is suspended; nobody is credited in it meanwhile.",
            next_step="Ask again once GET /v1/tokens shows it without a cause.",
        )
    return before


def _require_fit(deposit: Waiting, intent: IntentRow) -> None:
    if not deposit.accepted:
        raise Conflict(
            "deposit_token_removed",
            "The deposit's token is accepted no more, so the deposit cannot count for a payment intent.",
            next_step="Accept the deposit without one, or ask the operator to accept the token again.",
        )
    if deposit.currency != intent.currency:
        raise Rejected(
            "deposit_currency_mismatch",
            f"The deposit is in {deposit.currency}, the payment intent in {intent.currency}.",
            param="payment_intent",
        )
    if intent.state is not IntentState.REQUIRES_ACTION:
        raise Conflict(
            "payment_intent_unexpected_state",
            f"The payment intent is {intent.state}; only one that requires_action takes more money.",
            param="payment_intent",
            next_step="Apply the deposit to another intent, or accept it without one.",
        )
