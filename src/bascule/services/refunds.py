"""Refunds as merchants and customers handle them: asked for, claimed by a link, called off.

Each use-case runs in the caller's transaction. What follows by itself is in `refund_steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bascule.domain.chain import Address, checksum, parse_address
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import parse_amount
from bascule.domain.payout import PayoutState
from bascule.domain.refund import REFUND, RefundEvent, RefundState, claim_hash, claim_token
from bascule.domain.webhook import EventType
from bascule.services import lost_bytes, lost_refunds
from bascule.services.choices import Choices
from bascule.services.outbox import Outbox
from bascule.services.payout_request import IDENTITY_MAX
from bascule.services.payouts import Payouts, require_unknown_to_the_vault
from bascule.services.refund_events import tell
from bascule.services.refund_request import (
    RefundRequest,
    RefundTerms,
    claim_ends,
    deposit_terms,
    read_terms,
    require_payable,
)
from bascule.services.refund_view import describe_rows
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import audit, payouts, refunds, tokens
from bascule.storage.database import Connection
from bascule.storage.refunds import ExceedsFinal, NewRefund, RefundRow

RequestContext = Mapping[str, Any] | None
CLAIMANT = "claimant"


@dataclass(frozen=True)
class Refunds:
    """Use-cases on refunds. pepper: of the claim links; cool_off: between a claim and its payout."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    payouts: Payouts
    pepper: bytes
    cool_off: timedelta

    async def request(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: RefundRequest,
        idempotency_key: str,
        requested_by: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new refund, waiting for its claim or going to a payer who signed; or the one of this identity.

        Identity, for ever: client_reference_id, else the idempotency key. Raises: Rejected, NotFound,
        Conflict or Forbidden, each with its own code; `refund_identity_used` when it is another one's,
        `payout_recovered` when a refund of this payment was lost with an older database.
        """
        identity = request.client_reference_id or idempotency_key
        if not 1 <= len(identity) <= IDENTITY_MAX:
            raise Rejected("parameter_invalid", "1 to 255 characters.", param="client_reference_id")
        known = await refunds.by_identity(conn, account_id, livemode, identity)
        if known is not None:
            return await self._same_again(conn, known, request)
        terms = await self._terms(conn, request, account_id, livemode, context)
        new = self._new(account_id, livemode, identity, request, terms, requested_by)
        try:
            row = await refunds.insert(conn, new)
        except ExceedsFinal:
            raise Rejected(
                "refund_exceeds_refundable",
                "Another refund of this payment was made at the same moment; together they are too much.",
                param="amount",
                next_step="Read the payment's refunds, and ask for at most what is left.",
            ) from None
        if row is None:
            known = await refunds.by_identity(conn, account_id, livemode, identity)
            assert known is not None, "the identity was taken a moment ago"
            return await self._same_again(conn, known, request)
        await lost_refunds.require_none(conn, row)
        await self._note(conn, row, requested_by, EventType.REFUND_CREATED, context)
        now = self.clock.now()
        shown = await tell(conn, self.outbox, EventType.REFUND_CREATED, row, now, request=context)
        if row.state is RefundState.REQUIRES_ACTION:
            await tell(conn, self.outbox, EventType.REFUND_REQUIRES_ACTION, row, now, request=context)
        return shown

    async def cancel(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        refund_id: str,
        requested_by: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Calls a refund off, with its payout while that is in no signed batch.

        Raises: Conflict by state, or `payout_recovered`: the vault paid it before the database was restored;
        `restore_unsettled`: it may yet.
        """
        row = await own(conn, refund_id, account_id, livemode, lock=True)
        REFUND.step(row.state, RefundEvent.CANCEL)
        if row.payout_id is None:  # what was paid before a restore stays counted
            await require_unknown_to_the_vault(
                conn, account_id, livemode, row.payout_identity, unless_refused=True
            )
            token = await tokens.get(conn, row.token_id)
            assert token is not None, "a refund's token is for ever"
            await lost_bytes.require_none(conn, token.chain_id)
        else:
            await self._cancel_payout(conn, row, row.payout_id, requested_by, context)
        ended = await refunds.advance(conn, row, RefundEvent.CANCEL, self.clock.now())
        await self._note(conn, ended, requested_by, EventType.REFUND_CANCELED, context)
        return await tell(
            conn, self.outbox, EventType.REFUND_CANCELED, ended, self.clock.now(), before=row, request=context
        )  # fmt: skip

    def link(self, refund_id: str) -> str:
        """The path of a refund's claim page; who knows it says where the money goes."""
        return f"/r/{claim_token(self.pepper, refund_id)}"

    async def of_link(self, conn: Connection, token: str) -> RefundRow:
        """The refund that a link is of, in whatever state. Raises: NotFound `refund_link_unknown`."""
        row = await refunds.by_claim(conn, claim_hash(token))
        if row is None:
            raise _unknown()
        return row

    async def look_at(self, conn: Connection, row: RefundRow, address: object) -> Address:
        """The address that a customer gives, which may be paid. Raises: as `claim`; changes nothing."""
        self._require_open(row)
        to = parse_address(address, param="address")
        token = await tokens.get(conn, row.token_id)
        assert token is not None, "a refund's token is for ever"
        await require_payable(conn, row.account_id, row.livemode, token.chain_id, to, param="address")
        return to

    async def claim(self, conn: Connection, token: str, address: object) -> RefundRow:
        """The customer's word for an address, once and for ever; the cool-off begins.

        Raises: NotFound `refund_link_unknown`; Conflict `refund_link_used`, `refund_link_expired`; Rejected
        by what is wrong with the address.
        """
        row = await refunds.by_claim(conn, claim_hash(token), lock=True)
        if row is None:
            raise _unknown()
        to = await self.look_at(conn, row, address)
        now = self.clock.now()
        claimed = await refunds.advance_to_pending(conn, row, to, at=now, pays_at=now + self.cool_off)
        await self._note(conn, claimed, CLAIMANT, EventType.REFUND_UPDATED, None)
        await tell(conn, self.outbox, EventType.REFUND_UPDATED, claimed, now, before=row)
        return claimed

    def _require_open(self, row: RefundRow) -> None:
        if row.claimed_at is not None:
            raise Conflict(
                "refund_link_used",
                "The link was used: the address stands.",
                next_step="If the address is not yours, tell the merchant at once, who can stop the refund.",
            )
        over = row.claim_expires_at is None or row.claim_expires_at <= self.clock.now()
        if over or row.state is not RefundState.REQUIRES_ACTION:
            raise Conflict(
                "refund_link_expired",
                "The link is over, or the merchant called the refund off.",
                next_step="Ask the merchant for a new link.",
            )

    async def _cancel_payout(
        self, conn: Connection, row: RefundRow, payout_id: str, requested_by: str, context: RequestContext
    ) -> None:
        payout = await payouts.lock(conn, payout_id)
        assert payout is not None, "a refund's payout is for ever"
        if payout.state not in (PayoutState.REQUIRES_ACTION, PayoutState.PENDING):
            raise Conflict(
                "refund_unexpected_state",
                f"The refund's payout is {payout.state}; it cannot be called off any more.",
                next_step="Read the refund again later; only the chain decides now.",
            )
        await self.payouts.cancel(
            conn, account_id=row.account_id, livemode=row.livemode, payout_id=payout_id,
            requested_by=requested_by, context=context,
        )  # fmt: skip

    async def _same_again(self, conn: Connection, known: RefundRow, request: RefundRequest) -> dict[str, Any]:
        if not await _is_same(conn, known, request):
            raise Conflict(
                "refund_identity_used",
                f"This identity belongs to {known.id}, which gives something else back, for ever.",
                param="client_reference_id" if known.client_reference_id else None,
                next_step="Use a new client_reference_id for a new refund.",
            )
        [shown] = await describe_rows(conn, [known], self.clock.now())
        return shown

    async def _terms(
        self,
        conn: Connection,
        request: RefundRequest,
        account_id: str,
        livemode: bool,
        context: RequestContext,
    ) -> RefundTerms:
        if request.deposit is None:
            return await read_terms(conn, request, account_id=account_id, livemode=livemode)
        deposit = await Choices(self.clock, self.outbox).give_back(
            conn, request.deposit, account_id=account_id, livemode=livemode, context=context
        )
        return await deposit_terms(conn, request, deposit, account_id=account_id, livemode=livemode)

    def _new(
        self,
        account_id: str,
        livemode: bool,
        identity: str,
        request: RefundRequest,
        terms: RefundTerms,
        requested_by: str,
    ) -> NewRefund:
        now = self.clock.now()
        id = new_id(Prefix.REFUND, self.clock, self.entropy)
        linked = terms.payer is None
        return NewRefund(
            id=id,
            account_id=account_id,
            livemode=livemode,
            identity=identity,
            payment_intent_id=terms.payment_intent_id,
            deposit_id=terms.deposit_id,
            token_id=terms.token.id,
            amount=terms.amount.units,
            reason=request.reason,
            client_reference_id=request.client_reference_id,
            description=request.description,
            metadata=dict(request.metadata),
            requested_by=requested_by,
            created_at=now,
            claim_hash=claim_hash(claim_token(self.pepper, id)) if linked else None,
            claim_expires_at=claim_ends(request.claim_expires_at, now) if linked else None,
            payer=terms.payer,
            destination=terms.destination,
            pays_at=None if linked else now,
            state=RefundState.REQUIRES_ACTION if linked else RefundState.PENDING,
        )

    async def _note(
        self, conn: Connection, row: RefundRow, actor: str, what: EventType, context: RequestContext
    ) -> None:
        await audit.append(
            conn,
            actor=actor,
            action=str(what),
            object_id=row.id,
            details={"to": None if row.destination is None else checksum(row.destination)},
            request_id=None if context is None else context.get("id"),
        )


async def own(
    conn: Connection, refund_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> RefundRow:
    """The account's refund. Raises: NotFound, also when it is another's."""
    row = await (refunds.lock(conn, refund_id) if lock else refunds.get(conn, refund_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such refund: {refund_id!r:.70}.", param="id")
    return row


async def _is_same(conn: Connection, known: RefundRow, request: RefundRequest) -> bool:
    """Whether a request, as far as it says, is the one that made this refund."""
    token = await tokens.get(conn, known.token_id)
    assert token is not None, "a refund's token is for ever"
    to = None if request.to is None else parse_address(request.to, param="to")
    units = known.amount
    if request.amount is not None:
        units = parse_amount(request.amount, token.currency).to_token(token.asset).units
    asked = (request.payment_intent, request.deposit, request.token or known.token_id, units)
    stands = (known.payment_intent_id, known.deposit_id, known.token_id, known.amount)
    return asked == stands and to == (known.destination if known.payer is not None else None)


def _unknown() -> NotFound:
    return NotFound(
        "refund_link_unknown",
        "There is no such refund link.",
        next_step="Open the link from the merchant again, whole, or ask for a new one.",
    )
