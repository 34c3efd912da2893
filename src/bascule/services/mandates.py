"""Mandates: proposed by a key, signed by approvers, ended by a word or by time.

Each use-case runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bascule.chain.signatures import recover
from bascule.domain.chain import ZERO_ADDRESS, Address, Hash, checksum, parse_address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.mandate import CLAIMANT, MANDATE, Kind, MandateEvent
from bascule.domain.money import parse_amount
from bascule.domain.webhook import EventType
from bascule.services import mandate_rounds, policy
from bascule.services.mandate_view import describe_row, may_sign, token_of
from bascule.services.outbox import Outbox
from bascule.services.payout_request import (
    PayoutRequest,
    PayoutTerms,
    catalog,
    read_signature,
    read_terms,
    require_foreign,
)
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import audit, mandates
from bascule.storage.database import Connection
from bascule.storage.mandates import MandateRow, NewMandate

SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=731)
RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class MandateRequest:
    """The parameters as they came, of the right types.

    network: CAIP-2; to: an address, or wal_… of the address book, or for refunds `claimant`; token: tok_…,
    where needed; max_per_item, max_per_day: amounts; expires_at: unix seconds; kind: of what it is for.
    """

    currency: str
    network: object
    to: object
    max_per_item: object
    max_per_day: object
    expires_at: int
    token: str | None = None
    description: str | None = None
    kind: Kind = "payout"


@dataclass(frozen=True)
class Mandates:
    """Use-cases on mandates."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox

    async def propose(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: MandateRequest,
        requested_by: str,
        maker: Address | None = None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A mandate waiting for approvals. maker: the person who asks, who may not sign it.

        As many people sign as policy asks for its largest payout. Raises: Rejected, naming the parameter or
        by the code of the policy's rule.
        """
        now = self.clock.now()
        ends = _ends(request.expires_at, now)
        anybody = request.to == CLAIMANT
        asked = PayoutRequest(
            request.max_per_item, request.currency, request.network, request.to, request.token
        )
        if anybody:
            terms = (await catalog(conn)).money(asked, livemode)
        else:
            terms = await read_terms(conn, asked, account_id=account_id, livemode=livemode)
            await require_foreign(conn, terms.network.chain_id, terms.destination)
        day = parse_amount(request.max_per_day, terms.token.currency, param="max_per_day")
        new = NewMandate(
            id=new_id(Prefix.MANDATE, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            kind=request.kind,
            chain_id=terms.network.chain_id,
            vault=terms.vault,
            token_id=terms.token.id,
            destination=CLAIMANT if anybody else checksum(terms.destination),
            max_per_item=terms.amount.units,
            max_per_day=day.to_token(terms.token.asset, param="max_per_day").units,
            expires_at=ends,
            approvals_required=await self._required(conn, account_id, livemode, terms, maker),
            description=request.description,
            requested_by=requested_by,
            maker=maker,
            created_at=now,
        )
        mandate_rounds.text_of(new, terms.token)  # which refuses what no approver should sign
        return await self._tell(
            conn, EventType.MANDATE_CREATED, await mandates.insert(conn, new), requested_by, context=context
        )

    async def approve(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        mandate_id: str,
        approver: object,
        signature: object,
        actor: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Keeps an approver's EIP-712 signature; with enough of them payouts go out under it.

        The same person again changes nothing. Raises: Rejected `signature_invalid`, `signature_mismatch`;
        Forbidden `approver_unknown`, `approver_is_requester`; Conflict by state, `mandate_expired`.
        """
        who = parse_address(approver, param="approver")
        raw = read_signature(signature)
        row = await own(conn, mandate_id, account_id, livemode, lock=True)
        signed = {each.approver for each in (await mandates.approvals_of(conn, [row.id]))[row.id]}
        if who in signed:
            return await describe_row(conn, row, self.clock.now())
        MANDATE.step(row.state, MandateEvent.APPROVE)
        if row.expires_at <= self.clock.now():
            raise Conflict("mandate_expired", "The mandate ended before enough people signed it.")
        people = await may_sign(conn, row)
        if who not in people:
            code = "approver_is_requester" if who == row.maker else "approver_unknown"
            raise Forbidden(code, f"{checksum(who)} may not sign this mandate; others must.")
        if recover(await _digest(conn, row), raw) != who:
            raise Rejected(
                "signature_mismatch",
                f"{checksum(who)} did not sign this mandate.",
                param="signature",
                next_step="Sign next_action.typed_data of this mandate.",
            )
        await mandates.approve(conn, row.id, approver=who, signature=raw)
        if len((signed | {who}) & people) < row.approvals_required:
            return await describe_row(conn, row, self.clock.now())
        active = await mandates.advance(conn, row, MandateEvent.APPROVE)
        return await self._tell(conn, EventType.MANDATE_APPROVED, active, actor, before=row, context=context)

    async def revoke(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        mandate_id: str,
        actor: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Ends a mandate: what is not reserved yet asks for approvals; what is on its way goes on.

        Raises: Conflict by state.
        """
        row = await own(conn, mandate_id, account_id, livemode, lock=True)
        ended = await mandates.advance(conn, row, MandateEvent.REVOKE)
        return await self._tell(conn, EventType.MANDATE_REVOKED, ended, actor, before=row, context=context)

    async def expire(self, conn: Connection, mandate_id: str) -> bool:
        """Says that a mandate's time is over; False when it was said, or is not so."""
        row = await mandates.lock(conn, mandate_id)
        if row is None or not MANDATE.may(row.state, MandateEvent.EXPIRE):
            return False
        if row.expires_at > self.clock.now():
            return False
        ended = await mandates.advance(conn, row, MandateEvent.EXPIRE)
        await self._tell(conn, EventType.MANDATE_EXPIRED, ended, "process:expirer", before=row)
        return True

    async def _required(
        self, conn: Connection, account_id: str, livemode: bool, terms: PayoutTerms, maker: Address | None
    ) -> int:
        """How many people must sign, by the largest payout. Raises: Rejected by the policy's rule.

        What was paid today is no matter: limits of a window are held against each payout, and so is what
        policy asks of an address where a mandate is to whoever claims.
        """
        bench = await policy.bench(
            conn,
            account_id=account_id,
            livemode=livemode,
            token=terms.token,
            destinations=[terms.destination],
            maker=maker,
            now=self.clock.now(),
        )
        idle = replace(bench, spent=0, on_destination={}, in_window=0)
        if terms.destination == ZERO_ADDRESS and bench.rules is not None:
            idle.rules = replace(bench.rules, destinations="any", cool_off_seconds=0)
        decision = idle.judge(terms.amount, terms.destination).decision
        decision.require()
        return decision.approvals_required

    async def _tell(
        self,
        conn: Connection,
        type: EventType,
        row: MandateRow,
        actor: str,
        *,
        before: MandateRow | None = None,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        shown = await describe_row(conn, row, self.clock.now())
        await audit.append(
            conn,
            actor=actor,
            action=str(type),
            object_id=row.id,
            details={name: shown[name] for name in ("kind", "destination", "max_per_item", "max_per_day")},
            request_id=None if context is None else context.get("id"),
        )
        await self.outbox.append(
            conn,
            account_id=row.account_id,
            livemode=row.livemode,
            type=type,
            object_id=row.id,
            object_version=row.version,
            object=shown,
            previous=None if before is None else {"status": before.state.value},
            request=context,
        )
        return shown


async def own(
    conn: Connection, mandate_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> MandateRow:
    """The account's mandate. Raises: NotFound, also when it is another's."""
    row = await (mandates.lock(conn, mandate_id) if lock else mandates.get(conn, mandate_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such mandate: {mandate_id!r:.70}.", param="id")
    return row


def _ends(expires_at: int, now: datetime) -> datetime:
    """The moment, which leaves time to sign and is not for ever. Raises: Rejected `mandate_invalid`."""
    least, most = now + SHORTEST, now + LONGEST
    if not least.timestamp() <= expires_at <= most.timestamp():
        raise Rejected(
            "mandate_invalid",
            f"A mandate ends {SHORTEST.seconds // 60} minutes to {LONGEST.days} days from now.",
            param="expires_at",
        )
    return datetime.fromtimestamp(expires_at, UTC)


async def _digest(conn: Connection, row: MandateRow) -> Hash:
    text = mandate_rounds.text_of(row, await token_of(conn, row))
    return text.digest(row.chain_id, row.vault)
