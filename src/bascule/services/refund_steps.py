"""What becomes of refunds by themselves: a link nobody used ends, a claim becomes a payout, a payout an end.

Runs in the caller's transaction, on one refund at a time. The payout's identity is the refund's own, so that
whatever dies in between, there is one payout or none.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import Address
from bascule.domain.errors import Conflict, Rejected, Retryable
from bascule.domain.money import SCALE, TokenAmount
from bascule.domain.payout import FailureCode, PayoutState
from bascule.domain.refund import LOOK_AGAIN, RefundEvent, RefundState
from bascule.domain.screening import ScreeningState
from bascule.domain.webhook import EventType
from bascule.services import lost_bytes, lost_refunds
from bascule.services.outbox import Outbox
from bascule.services.payout_request import PayoutRequest, PayoutTerms
from bascule.services.payouts import Payouts, require_unknown_to_the_vault
from bascule.services.refund_events import tell
from bascule.services.refund_request import require_payable
from bascule.services.refund_view import FUNDS, RECOVERED, SCREENED
from bascule.services.seams import Clock
from bascule.storage import (
    deposits,
    ledger,
    networks,
    payment_intents,
    payouts,
    refunds,
    screening_lists,
    screenings,
    spending,
    tokens,
)
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow
from bascule.storage.refunds import RefundRow
from bascule.storage.tokens import Token

ACTOR = "process:worker"
# What is wrong with an address stays wrong; everything else may come right by itself or by somebody's hand.
FOR_EVER = {
    "destination_denylisted", "destination_is_ours", "destination_is_token_contract", "payout_identity_used",
}  # fmt: skip
_NO_MONEY = {"balance_insufficient", "insufficient_funds"}


@dataclass(frozen=True)
class RefundSteps:
    """The next step of a refund."""

    clock: Clock
    outbox: Outbox
    payouts: Payouts

    async def proceed(self, conn: Connection, refund_id: str) -> bool:
        """Does what is due for one refund; False when there is nothing to do, or no change to tell."""
        refund, now = await refunds.lock(conn, refund_id), self.clock.now()
        if refund is None:
            return False
        if refund.state is RefundState.REQUIRES_ACTION:
            return await self._expire(conn, refund)
        if refund.state is not RefundState.PENDING:
            return False
        if refund.payout_id is not None:
            payout = await payouts.get(conn, refund.payout_id)
            assert payout is not None, "a refund's payout is for ever"
            return await self._follow(conn, refund, payout)
        if max(refund.pays_at or now, refund.look_at or now) > now:
            return False
        return await self._pay(conn, refund)

    async def _expire(self, conn: Connection, refund: RefundRow) -> bool:
        now = self.clock.now()
        if max(refund.claim_expires_at or now, refund.look_at or now) > now:
            return False
        try:
            await require_unknown_to_the_vault(
                conn, refund.account_id, refund.livemode, refund.payout_identity, unless_refused=True
            )
        except Conflict:  # paid before a restore: the amount stays counted
            return await self._put_off(conn, refund, RECOVERED)
        if await _may_be_paid(conn, refund):
            return await self._put_off(conn, refund, lost_bytes.UNSETTLED)
        ended = await refunds.advance(conn, refund, RefundEvent.EXPIRE, now)
        await tell(conn, self.outbox, EventType.REFUND_CANCELED, ended, now, before=refund)
        return True

    async def _pay(self, conn: Connection, refund: RefundRow) -> bool:
        """The payout, with what was paid too much and the hold; or why not yet, or why never."""
        held = await _screening(conn, refund)
        if held is ScreeningState.REJECTED:
            return await self._never(conn, refund, FailureCode.SCREENING_REJECTED)
        if held is ScreeningState.OPEN:
            return await self._put_off(conn, refund, SCREENED)
        try:
            async with conn.transaction():
                payout_id = await self._place(conn, refund)
        except Retryable:  # the payment is final, and not in the books yet
            return await self._put_off(conn, refund, FUNDS)
        except Rejected as error:
            if error.code in FOR_EVER:
                return await self._never(conn, refund, error.code)
            return await self._put_off(conn, refund, FUNDS if error.code in _NO_MONEY else error.code)
        given = await refunds.give_payout(conn, refund.id, payout_id)
        await tell(conn, self.outbox, EventType.REFUND_UPDATED, given, self.clock.now(), before=refund)
        return True

    async def _place(self, conn: Connection, refund: RefundRow) -> str:
        token = await tokens.get(conn, refund.token_id)
        assert token is not None, "a refund's token is for ever"
        assert refund.destination is not None, "a pending refund has its destination"
        await require_payable(
            conn, refund.account_id, refund.livemode, token.chain_id, refund.destination, param="to"
        )
        await lost_refunds.require_none(conn, refund)
        terms = await _terms(conn, refund, token, refund.destination)
        # counted first, as every payout is: who holds a balance waits for nobody's count
        await spending.serialize_spending(conn, refund.account_id, refund.token_id)
        await ledger.post_refund(conn, refund.id)
        request = PayoutRequest(
            amount=terms.amount.display(),
            currency=token.currency,
            network=token.chain_id,
            destination=refund.destination,
            description=f"Refund {refund.id} of {refund.of}",
            kind="refund",
            metadata={
                "refund": refund.id,
                "payment_intent" if refund.deposit_id is None else "deposit": refund.of,
            },
        )
        return await self.payouts.place(
            conn, account_id=refund.account_id, livemode=refund.livemode, identity=refund.payout_identity,
            request=request, terms=terms, requested_by=ACTOR,
        )  # fmt: skip

    async def _never(self, conn: Connection, refund: RefundRow, code: str) -> bool:
        """It ends without a payout; not while one that no row has may still be paid."""
        if await _may_be_paid(conn, refund):
            return await self._put_off(conn, refund, lost_bytes.UNSETTLED)
        await self._fail(conn, refund, code)
        return True

    async def _put_off(self, conn: Connection, refund: RefundRow, reason: str) -> bool:
        now = self.clock.now()
        waiting = await refunds.put_off(conn, refund.id, reason, now + LOOK_AGAIN)
        if waiting.waits_for == refund.waits_for:
            return False
        await tell(conn, self.outbox, EventType.REFUND_UPDATED, waiting, now, before=refund)
        return True

    async def _follow(self, conn: Connection, refund: RefundRow, payout: PayoutRow) -> bool:
        match payout.state:
            case PayoutState.PAID:
                await self._succeed(conn, refund)
            case PayoutState.FAILED:
                await self._fail(conn, refund, payout.failure_code or "payout_failed")
            case PayoutState.CANCELED:
                await self._fail(conn, refund, payout.failure_code or "payout_canceled")
            case _:
                return False
        return True

    async def _succeed(self, conn: Connection, refund: RefundRow) -> None:
        token = await tokens.get(conn, refund.token_id)
        assert token is not None, "a refund's token is for ever"
        ended = await refunds.advance(conn, refund, RefundEvent.SUCCEED, self.clock.now())
        units = refund.amount * 10 ** (SCALE - token.decimals)
        if refund.payment_intent_id is not None:
            await payment_intents.record_refund(conn, refund.payment_intent_id, units)
        await tell(conn, self.outbox, EventType.REFUND_SUCCEEDED, ended, self.clock.now(), before=refund)

    async def _fail(self, conn: Connection, refund: RefundRow, code: str) -> None:
        ended = await refunds.advance_to_failed(conn, refund, code, self.clock.now())
        await tell(conn, self.outbox, EventType.REFUND_FAILED, ended, self.clock.now(), before=refund)


async def _may_be_paid(conn: Connection, refund: RefundRow) -> bool:
    """Whether bytes of before a restore may run yet: its payout of then may be in them."""
    token = await tokens.get(conn, refund.token_id)
    assert token is not None, "a refund's token is for ever"
    return await lost_bytes.may_run(conn, token.chain_id) is not None


async def _screening(conn: Connection, refund: RefundRow) -> ScreeningState | None:
    """How screening holds the deposit that goes back, until the transaction ends; None where it does not.

    Open is also what a list names by now and nobody has looked at yet.
    """
    if refund.deposit_id is None:
        return None
    await screening_lists.look(conn)
    deposit = await deposits.hold(conn, refund.deposit_id)
    assert deposit is not None, "a refund's deposit is for ever"
    if await screenings.rejected(conn, deposit.id):
        return ScreeningState.REJECTED
    return ScreeningState.OPEN if deposit.screened else None


async def _terms(conn: Connection, refund: RefundRow, token: Token, to: Address) -> PayoutTerms:
    network = await networks.get(conn, token.chain_id)
    if network is None or network.vault is None:
        raise Rejected("network_unsupported", "No payouts are made on the network of this payment.")
    return PayoutTerms(
        network, Address(network.vault), token, TokenAmount(refund.amount, token.asset), to, None
    )  # fmt: skip
