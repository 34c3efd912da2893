"""Payouts: asked for once for ever, approved by people, called off while that is still possible.

Each use-case runs in the caller's transaction: state, hold and the telling of it commit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bascule.chain.signatures import recover
from bascule.domain import call_off
from bascule.domain import vault as layout
from bascule.domain.chain import Address, caip2, checksum, hex32, parse_address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.network_choice import AUTO, NetworkDecision
from bascule.domain.payout import PAYOUT, FailureCode, PayoutEvent, PayoutState
from bascule.domain.webhook import EventType
from bascule.services import approval_faults, lost_bytes, mandate_rounds, network_choice, policy
from bascule.services.approval_rounds import approval_text, pays, token_of
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell
from bascule.services.payout_request import (
    IDENTITY_MAX,
    PayoutRequest,
    PayoutTerms,
    everlasting,
    read_signature,
    read_terms,
    require_foreign,
)
from bascule.services.payout_view import describe, describe_row
from bascule.services.reissue import require_reissue
from bascule.services.screening import Screening
from bascule.services.seams import Clock, Entropy, new_id
from bascule.services.signatories import may_sign
from bascule.storage import approvals, balances, cancels, lanes, ledger, payouts, recovered
from bascule.storage.database import Connection
from bascule.storage.payouts import NewPayout, PayoutRow

__all__ = ["PayoutRequest", "Payouts", "describe", "describe_row", "own"]

_SIGN_ANEW = "Read the payout again in a moment and sign its new next_action.typed_data."
RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True)
class Payouts:
    """Use-cases on payouts. coin_prices: what one coin costs, by chain, where a network is left open."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    coin_prices: Mapping[int, Decimal] = field(default_factory=dict)

    async def request(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: PayoutRequest,
        idempotency_key: str,
        requested_by: str,
        maker: Address | None = None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new payout waiting for approvals or pending under a mandate, or the one of this identity.

        Network `auto`: the one that pays best is chosen, once for ever, and the reason kept. Identity, for
        ever: client_reference_id, else the idempotency key. maker: the person who asks, who
        may not approve. Raises: Rejected, naming the parameter at fault or by the code of the policy's rule;
        Conflict `payout_identity_used` when the identity belongs to other content.
        """
        identity = request.client_reference_id or idempotency_key
        if not 1 <= len(identity) <= IDENTITY_MAX:
            raise Rejected("parameter_invalid", "1 to 255 characters.", param="client_reference_id")
        known = await payouts.by_identity(conn, account_id, livemode, identity)
        if known is None:
            row = await self._insert(
                conn, account_id, livemode, identity, request, (requested_by, maker), self.clock.now()
            )
            if row is not None:
                return await self._born(conn, row, context)
            known = await payouts.by_identity(conn, account_id, livemode, identity)
            assert known is not None, "somebody else was faster with the same identity"
        return await self._same_again(conn, known, request)

    async def place(
        self, conn: Connection, *, account_id: str, livemode: bool, identity: str, request: PayoutRequest,
        terms: PayoutTerms, requested_by: str,
    ) -> str:  # fmt: skip
        """The id of a new payout of terms that are known to the base unit; as `request`, without any answer.

        Raises: Rejected by the code of the policy's rule, Conflict `payout_identity_used`.
        """
        new = await self._decided(
            conn, account_id, livemode, identity, request, terms, (requested_by, None), None, self.clock.now()
        )
        row = await payouts.insert(conn, new)
        if row is None:
            raise Conflict("payout_identity_used", f"A payout has the identity {identity}.")
        await self._born(conn, row, None)
        return row.id

    async def _born(self, conn: Connection, row: PayoutRow, context: RequestContext) -> dict[str, Any]:
        await Screening(self.outbox).payouts(conn, [row.id])
        if row.mandate_id is not None:
            row = await payouts.advance_to_pending(conn, row)
            await ledger.post_hold(conn, row.id)
        await tell(conn, self.outbox, EventType.PAYOUT_CREATED, row, request=context)
        waits = row.mandate_id is None
        told = EventType.PAYOUT_REQUIRES_ACTION if waits else EventType.PAYOUT_APPROVED
        return await tell(conn, self.outbox, told, row, request=context)

    async def approve(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        payout_id: str,
        approver: object,
        signature: object,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Keeps an approver's EIP-712 signature; with enough of them money is held and the payout pending.

        The same signature again changes nothing. Raises: Rejected `signature_invalid`, `signature_mismatch`,
        `approval_other_chain`, `approval_other_vault`, `approval_other_amount`;
        Forbidden `approver_unknown`, `approver_is_requester`, `approver_not_named`; Conflict by state,
        `approval_expired`, `vault_migrated`, `roster_changed`, `policy_changed`, `insufficient_funds`.
        """
        who = parse_address(approver, param="approver")
        raw = read_signature(signature)
        payout = await own(conn, payout_id, account_id, livemode, lock=True)
        text = approval_text(payout, await token_of(conn, payout))
        digest = text.digest(payout.chain_id, payout.vault)
        given = await approvals.of_round(conn, payout.id, digest)
        if any((each.approver, each.signature) == (who, raw) for each in given):
            return await describe_row(conn, payout)
        PAYOUT.step(payout.state, PayoutEvent.APPROVE)
        await self._require_open_round(conn, payout)
        await _require_signatory(conn, payout, who)
        if recover(digest, raw) != who:
            raise await approval_faults.of_payout(conn, payout, text, who, raw)
        await approvals.insert(conn, payout.id, approver=who, digest=digest, signature=raw)
        if len({each.approver for each in given} | {who}) < payout.approvals_required:
            return await describe_row(conn, payout)
        pending = await payouts.advance_to_pending(conn, payout)
        await ledger.post_hold(conn, payout.id)
        return await tell(
            conn, self.outbox, EventType.PAYOUT_APPROVED, pending, before=payout, request=context
        )

    async def reject(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        payout_id: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Ends a payout that waits for approvals. Raises: Conflict by state, `restore_unsettled`."""
        payout = await own(conn, payout_id, account_id, livemode, lock=True)
        PAYOUT.step(payout.state, PayoutEvent.REJECT)
        await lost_bytes.require_none(conn, payout.chain_id)
        why = FailureCode.APPROVAL_REJECTED
        ended = await payouts.advance(conn, payout, PayoutEvent.REJECT, failure_code=why)
        return await tell(
            conn, self.outbox, EventType.PAYOUT_REJECTED, ended, before=payout, request=context
        )  # fmt: skip

    async def cancel(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        payout_id: str,
        requested_by: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Calls off a payout; its hold is released. One that is on its way is called off at the vault: the

        chain says later whether that came in time (`cancellation`). Raises: Conflict by state,
        `restore_unsettled`.
        """
        payout = await own(conn, payout_id, account_id, livemode, lock=True)
        if payout.state is PayoutState.IN_TRANSIT:
            return await self._call_off(conn, payout, requested_by, context)
        PAYOUT.step(payout.state, PayoutEvent.CANCEL)
        await lost_bytes.require_none(conn, payout.chain_id)
        ended = await payouts.advance(conn, payout, PayoutEvent.CANCEL)
        if payout.state is PayoutState.PENDING:
            await ledger.post_release(conn, payout.id)
        return await tell(
            conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=payout, request=context
        )  # fmt: skip

    async def _call_off(
        self, conn: Connection, payout: PayoutRow, requested_by: str, context: RequestContext
    ) -> dict[str, Any]:
        if await lanes.service_wallet(conn, payout.chain_id, call_off.LANE) is None:
            raise Conflict(
                "payout_unexpected_state",
                "The payout is in_transit: it stands in a signed batch, and this chain has no canceller.",
                next_step="Only the chain decides now; read the payout again later.",
            )
        asked = await cancels.request(
            conn, payout.id, chain_id=payout.chain_id, requested_by=requested_by, at=self.clock.now()
        )
        if not asked:
            return await describe_row(conn, payout)
        return await tell(conn, self.outbox, EventType.PAYOUT_UPDATED, payout, request=context)

    async def _same_again(self, conn: Connection, known: PayoutRow, request: PayoutRequest) -> dict[str, Any]:
        if request.network == AUTO:  # which it was for was decided once
            request = replace(request, network=caip2(known.chain_id), token=request.token or known.token_id)
        terms = await read_terms(conn, request, account_id=known.account_id, livemode=known.livemode)
        asked = (terms.token.id, terms.destination, terms.amount.units, request.reissue_of)
        if (known.token_id, known.destination, known.amount, known.reissue_of) != asked:
            raise Conflict(
                "payout_identity_used",
                f"This identity belongs to {known.id}, which pays something else, for ever.",
                param="client_reference_id" if known.client_reference_id else None,
                next_step="Use a new client_reference_id for a new payout.",
            )
        return await describe_row(conn, known)

    async def _insert(
        self, conn: Connection, account_id: str, livemode: bool, identity: str, request: PayoutRequest,
        asked_by: tuple[str, Address | None], now: datetime,
    ) -> PayoutRow | None:  # fmt: skip
        """The new payout; None when somebody asked for it meanwhile, which may be why it does not fit."""
        try:
            new = await self._new(conn, account_id, livemode, identity, request, asked_by, now)
        except Rejected:
            if await payouts.by_identity(conn, account_id, livemode, identity) is None:
                raise
            return None
        return await payouts.insert(conn, new)

    async def _new(
        self, conn: Connection, account_id: str, livemode: bool, identity: str, request: PayoutRequest,
        asked_by: tuple[str, Address | None], now: datetime,
    ) -> NewPayout:  # fmt: skip
        chosen: NetworkDecision | None = None
        if request.network == AUTO:
            chosen = await network_choice.decide(
                conn, request, account_id=account_id, livemode=livemode, coin_prices=self.coin_prices, now=now
            )
            at = chosen.chosen
            request = replace(request, network=caip2(at.chain_id), token=at.token_id)
        terms = await read_terms(conn, request, account_id=account_id, livemode=livemode)
        if request.reissue_of is not None:
            await require_reissue(conn, request.reissue_of, terms, account_id=account_id, livemode=livemode)
        return await self._decided(
            conn, account_id, livemode, identity, request, terms, asked_by, chosen, now
        )  # fmt: skip

    async def _decided(
        self, conn: Connection, account_id: str, livemode: bool, identity: str, request: PayoutRequest,
        terms: PayoutTerms, asked_by: tuple[str, Address | None], chosen: NetworkDecision | None,
        now: datetime,
    ) -> NewPayout:  # fmt: skip
        requested_by, maker = asked_by
        await require_unknown_to_the_vault(conn, account_id, livemode, identity)
        await require_foreign(conn, terms.network.chain_id, terms.destination)
        verdict = await policy.judge(
            conn,
            account_id=account_id,
            livemode=livemode,
            token=terms.token,
            amount=terms.amount,
            destination=terms.destination,
            maker=maker,
            now=now,
        )
        verdict.decision.require()
        assert verdict.rules is not None, "without rules nothing is allowed"
        if await balances.available(conn, account_id, terms.token.id) < terms.amount.units:
            raise Rejected(
                "balance_insufficient", "The account has less than that available.", param="amount"
            )
        decision, mandate = await mandate_rounds.judged(
            conn, verdict, terms, account_id=account_id, livemode=livemode, kind=request.kind,
            named=request.mandate, now=now,
        )  # fmt: skip
        ends = round_end(now, verdict.rules.approval_life) if mandate is None else mandate.expires_at
        return NewPayout(
            id=new_id(Prefix.PAYOUT, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            identity=identity,
            token_id=terms.token.id,
            chain_id=terms.network.chain_id,
            vault=terms.vault,
            destination=terms.destination,
            destination_id=terms.destination_id,
            amount=terms.amount.units,
            approvals_required=verdict.decision.approvals_required,
            approval_expires_at=ends,
            roster_version=verdict.roster_version,
            policy_decision=decision.shown(verdict.may_sign if mandate is None else None),
            policy_id=verdict.policy_id,
            client_reference_id=request.client_reference_id,
            description=request.description,
            metadata=dict(request.metadata),
            requested_by=requested_by,
            maker=maker,
            created_at=now,
            mandate_id=None if mandate is None else mandate.id,
            reissue_of=request.reissue_of,
            network_decision=None if chosen is None else chosen.shown(),
        )

    async def _require_open_round(self, conn: Connection, payout: PayoutRow) -> None:
        if payout.approval_expires_at <= self.clock.now():
            raise Conflict("approval_expired", "The time to approve this payout is over.")
        if await pays(conn, payout) != payout.vault:
            raise Conflict(
                "vault_migrated",
                "The network's payouts go out of another vault since this one was asked for.",
                next_step=_SIGN_ANEW,
            )
        if await approvals.roster_version(conn, payout.account_id) != payout.roster_version:
            raise Conflict(
                "roster_changed",
                "The account's approvers changed since this payout was asked for.",
                next_step=_SIGN_ANEW,
            )
        if await policy.review(conn, payout) is not None:
            raise Conflict(
                "policy_changed",
                "The account's policy changed since this payout was asked for; it is decided anew.",
                next_step=_SIGN_ANEW,
            )


async def _require_signatory(conn: Connection, payout: PayoutRow, who: Address) -> None:
    """Raises: Forbidden, saying why this person's signature does not count."""
    if who == payout.maker:
        raise Forbidden(
            "approver_is_requester", f"{checksum(who)} asked for this payout; others must approve."
        )
    if not await approvals.is_approver(conn, payout.account_id, payout.roster_version, who):
        raise Forbidden("approver_unknown", f"{checksum(who)} does not approve for this account.")
    if who not in await may_sign(conn, payout):
        raise Forbidden("approver_not_named", f"The policy leaves {checksum(who)} out for this token.")


async def require_unknown_to_the_vault(
    conn: Connection, account_id: str, livemode: bool, identity: str, *, unless_refused: bool = False
) -> None:
    """Raises: Conflict, naming the transaction in which an older life of this database had the payout.

    unless_refused: it is as unknown where the token refused it there.
    """
    tag = layout.tag(everlasting(account_id, livemode, identity))
    found = (await recovered.of_tags(conn, [tag])).get(tag)
    if found is not None and not (unless_refused and found.outcome == "refused"):
        where = f"transaction {hex32(found.tx_hash)} of {caip2(found.chain_id)}"
        raise Conflict(
            "payout_recovered",
            f"This payout was {found.outcome} in {where},"
            " before the database was restored from an older backup.",
            next_step="Do not send it again; a new payment needs a new client_reference_id.",
        )


def round_end(now: datetime, life: timedelta) -> datetime:
    """When a round of approvals that begins now ends; whole seconds, as that is what is signed."""
    return (now + life).replace(microsecond=0)


async def own(
    conn: Connection, payout_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> PayoutRow:
    """The account's payout. Raises: NotFound, also when it is another's."""
    row = await (payouts.lock(conn, payout_id) if lock else payouts.get(conn, payout_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such payout: {payout_id!r:.70}.", param="id")
    return row
