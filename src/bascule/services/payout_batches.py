"""Payout batches: checked whole, asked for at once, approved by one signature each, called off together.

Each use-case runs in the caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bascule.chain.signatures import recover
from bascule.domain import acts_next
from bascule.domain.acts_next import record
from bascule.domain.approval import BatchApproval, BatchItem
from bascule.domain.chain import Address, caip2, checksum, parse_address
from bascule.domain.errors import Conflict, Forbidden, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.payout import PayoutEvent, PayoutState
from bascule.domain.payout_batch import PAYOUT_BATCH, BatchEvent, BatchState
from bascule.domain.payout_file import Line
from bascule.domain.policy import APPROVAL_LIFE, Rule
from bascule.domain.webhook import EventType
from bascule.services import approval_faults, lost_bytes, policy
from bascule.services.approval_rounds import batch_approval_text, in_round_of, pays
from bascule.services.batch_lines import Asked, Checked, check
from bascule.services.batch_progress import end_batches, tell_batch
from bascule.services.batch_view import describe_batch, problem, shown_totals, signers_of
from bascule.services.outbox import Outbox
from bascule.services.payout_events import tell_all
from bascule.services.payout_request import IDENTITY_MAX, read_signature
from bascule.services.payouts import round_end
from bascule.services.screening import Screening
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import approvals, ledger, payout_batches, payouts
from bascule.storage.database import Connection
from bascule.storage.payout_batches import BatchRow, Mode, NewBatch
from bascule.storage.payouts import NewPayout, PayoutRow

_SIGN_ANEW = "Read the batch again in a moment and sign its new next_action.typed_data."
RequestContext = Mapping[str, Any] | None
KEY_MAX = IDENTITY_MAX - len("#10001")
LACKS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """The lines as they came. key: the batch's identity, for ever; maker: the person who asks."""

    lines: Sequence[Line]
    mode: Mode
    key: str
    requested_by: str
    maker: Address | None = None
    description: str | None = None


@dataclass(frozen=True)
class PayoutBatches:
    """Use-cases on payout batches. coin_prices: what one coin costs, by chain, for lines of no network."""

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
        request: BatchRequest,
        dry_run: bool = False,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new batch waiting for approvals, or processing under mandates; a dry run says so, writes nothing.

        Raises: Rejected `batch_invalid` when all or nothing was asked for and a line is wrong, or none is
        right; Conflict `payout_batch_identity_used`.
        """
        if not 1 <= len(request.key) <= KEY_MAX:
            raise Rejected("parameter_invalid", f"1 to {KEY_MAX} characters.", param="batch_key")
        known = await payout_batches.by_identity(conn, account_id, livemode, request.key)
        if known is not None:
            raise Conflict(
                "payout_batch_identity_used",
                f"This key belongs to {known.id}, for ever.",
                param="batch_key",
                next_step="Read that batch, or use a new key for a new one.",
            )
        checked = await check(
            conn,
            request.lines,
            account_id=account_id,
            livemode=livemode,
            key=request.key,
            maker=request.maker,
            now=self.clock.now(),
            coin_prices=self.coin_prices,
        )
        invalid = not checked.good or (bool(checked.problems) and request.mode == "all_or_nothing")
        if dry_run:
            return await self._report(conn, request, checked, livemode, invalid=invalid)
        if invalid:
            first = checked.problems[0]
            where = f"line {first.line}" + (f", {first.column}" if first.column else "")
            raise Rejected(
                "batch_invalid",
                f"{len(checked.problems)} lines are wrong; {where}: {first.message} ({first.code})",
                param=where,
                next_step="Send it with dry_run=true: the answer names each line and why.",
            )
        _require_people(checked)
        return await self._make(conn, account_id, livemode, request, checked, context)

    async def approve(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        batch_id: str,
        approver: object,
        signature: object,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Keeps an approver's signature over all payouts of the batch; with enough of them all are held.

        The same signature again changes nothing. Raises: as approving one payout, and Conflict
        `payout_batch_unexpected_state`, `batch_out_of_date`.
        """
        who = parse_address(approver, param="approver")
        raw = read_signature(signature)
        batch = await own(conn, batch_id, account_id, livemode, lock=True)
        digest = batch_approval_text(batch).digest(batch.chain_id, batch.vault)
        given = await payout_batches.approvals_of_round(conn, batch.id, digest)
        if any((each.approver, each.signature) == (who, raw) for each in given):
            return await describe_batch(conn, batch)
        rows = await payouts.of_batch(conn, batch.id, lock=True)
        waiting = [
            row for row in rows if row.state is PayoutState.REQUIRES_ACTION and in_round_of(row, batch)
        ]
        again = batch.state is BatchState.PROCESSING and bool(waiting)
        if not again:
            PAYOUT_BATCH.step(batch.state, BatchEvent.APPROVE)
        await self._require_current(conn, batch, rows, waiting)
        await _require_signatory(conn, batch, rows, who)
        if recover(digest, raw) != who:
            raise await approval_faults.of_batch(conn, batch, who, raw)
        await payout_batches.insert_approval(conn, batch.id, approver=who, digest=digest, signature=raw)
        if len({each.approver for each in given} | {who}) < batch.approvals_required:
            return await describe_batch(conn, batch)
        await self._hold(conn, waiting, context)
        approved = batch if again else await payout_batches.advance(conn, batch, BatchEvent.APPROVE)
        before = None if again else batch
        return await tell_batch(conn, self.outbox, EventType.BATCH_APPROVED, approved, before, context)

    async def cancel(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        batch_id: str,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Calls off a batch that waits for approvals, and every payout of it.

        What people approved alone goes on, and the batch with it. Raises: Conflict by state,
        `restore_unsettled`.
        """
        batch = await own(conn, batch_id, account_id, livemode, lock=True)
        PAYOUT_BATCH.step(batch.state, BatchEvent.CANCEL)
        rows = await payouts.of_batch(conn, batch.id, lock=True)
        waiting = [row for row in rows if row.state is PayoutState.REQUIRES_ACTION]
        for chain_id in sorted({row.chain_id for row in waiting}):
            await lost_bytes.require_none(conn, chain_id)
        goes_on = any(row.state not in (PayoutState.REQUIRES_ACTION, PayoutState.CANCELED) for row in rows)
        event = BatchEvent.APPROVE if goes_on else BatchEvent.CANCEL
        left = await payout_batches.advance(conn, batch, event)
        ended = await payouts.advance_all(conn, waiting, PayoutEvent.CANCEL) if waiting else []
        await tell_all(
            conn, self.outbox, EventType.PAYOUT_CANCELED, ended, before=PayoutState.REQUIRES_ACTION,
            request=context,
        )  # fmt: skip
        if goes_on:
            await end_batches(conn, self.outbox, [batch_id])
            return await describe_batch(conn, await own(conn, batch_id, account_id, livemode))
        return await tell_batch(conn, self.outbox, EventType.BATCH_CANCELED, left, batch, context)

    async def _make(
        self,
        conn: Connection,
        account_id: str,
        livemode: bool,
        request: BatchRequest,
        checked: Checked,
        context: RequestContext,
    ) -> dict[str, Any]:
        network, vault, now = checked.network, checked.vault, self.clock.now()
        assert network is not None, "a batch that is made has lines"
        assert vault is not None, "and so a vault"
        # newest first is how lists go: the first line has the greatest id
        ids = sorted((new_id(Prefix.PAYOUT, self.clock, self.entropy) for _ in checked.good), reverse=True)
        items = [
            BatchItem(id, Address(each.terms.token.contract), each.terms.destination, each.terms.amount.units)
            for id, each in zip(ids, checked.good, strict=True)
        ]
        benches = list(checked.benches.values())
        lives = [bench.rules.approval_life for bench in benches if bench.rules]
        end = round_end(now, min(lives, default=APPROVAL_LIFE))
        roster = benches[0].roster_version
        batch_id = new_id(Prefix.PAYOUT_BATCH, self.clock, self.entropy)
        text = BatchApproval.of(
            account_id, batch_id, items, expiry=int(end.timestamp()), roster_version=roster
        )
        batch = await payout_batches.insert(
            conn,
            NewBatch(
                id=batch_id,
                account_id=account_id,
                livemode=livemode,
                chain_id=network.chain_id,
                vault=vault,
                leaves=text.leaves,
                totals=dict(text.totals),
                approvals_required=checked.required,
                approval_expires_at=end,
                roster_version=roster,
                requested_by=request.requested_by,
                created_at=now,
                identity=request.key,
                mode=request.mode,
                description=request.description,
                maker=request.maker,
                left_out=[problem(each) for each in checked.problems],
                policy_decision=_decision(checked),
            ),
        )
        if batch is None:
            raise Conflict("payout_batch_identity_used", "This key was used a moment ago.", param="batch_key")
        new = [
            _payout(batch, id, place, each, checked)
            for place, (id, each) in enumerate(zip(ids, checked.good, strict=True))
        ]
        made = await payouts.insert_many(conn, new)
        await Screening(self.outbox).payouts(conn, ids)
        if len(made) < len(new):
            raise Conflict("payout_identity_used", "Somebody asked for one of these payouts a moment ago.")
        event = BatchEvent.AUTHORIZE if checked.under else BatchEvent.VALIDATE
        ready = await payout_batches.advance(conn, batch, event)
        await tell_all(conn, self.outbox, EventType.PAYOUT_CREATED, made, request=context)
        if checked.under:
            await self._hold(conn, made, context)
        await tell_batch(conn, self.outbox, EventType.BATCH_VALIDATED, ready, None, context)
        return await describe_batch(conn, ready)

    async def _hold(self, conn: Connection, rows: Sequence[PayoutRow], context: RequestContext) -> None:
        """Approved payouts are pending, and their money is held."""
        pending = await payouts.advance_all(conn, rows, PayoutEvent.APPROVE)
        await ledger.post_holds(conn, [row.id for row in pending])
        await tell_all(
            conn, self.outbox, EventType.PAYOUT_APPROVED, pending, before=PayoutState.REQUIRES_ACTION,
            request=context,
        )  # fmt: skip

    async def _report(
        self, conn: Connection, request: BatchRequest, checked: Checked, livemode: bool, *, invalid: bool
    ) -> dict[str, Any]:
        totals: Counter[Address] = Counter()
        for each in checked.good:
            totals[Address(each.terms.token.contract)] += each.terms.amount.units
        network = checked.network
        return {
            "id": None,
            "object": "payout_batch",
            "status": "invalid" if invalid else "processing" if checked.under else "requires_action",
            "mode": request.mode,
            "network": None if network is None else caip2(network.chain_id),
            "count": len(checked.good),
            "totals": [] if network is None else await shown_totals(conn, network.chain_id, totals),
            "progress": {state.value: 0 for state in PayoutState},
            "errors": [problem(each) for each in checked.problems],
            "approvals": [],
            "approvals_required": checked.required,
            "approval_expires_at": None,
            "policy_decision": _decision(checked),
            "next_action": None,
            "batch_key": request.key,
            "description": request.description,
            "livemode": livemode,
            "created": int(self.clock.now().timestamp()),
            "version": 0,
        }

    async def _require_current(
        self, conn: Connection, batch: BatchRow, rows: Sequence[PayoutRow], waiting: Sequence[PayoutRow]
    ) -> None:
        """Raises: Conflict while payouts whose approvals are void or over were not all asked about anew."""
        now, roster = self.clock.now(), await approvals.roster_version(conn, batch.account_id)
        if batch.approval_expires_at <= now and batch.state is BatchState.REQUIRES_ACTION:
            raise Conflict("approval_expired", "The time to approve this batch is over.")
        open_ = [row for row in rows if row.state in (PayoutState.REQUIRES_ACTION, PayoutState.PENDING)]
        one_of_each = {row.vault: row for row in open_ if row.vault_id is None}
        if (
            not waiting
            or any(row.approval_expires_at <= now or row.roster_version != roster for row in open_)
            or any([row.vault != await pays(conn, row) for row in one_of_each.values()])
            or await policy.voided(conn, open_)
        ):
            raise Conflict(
                "batch_out_of_date",
                "Its approvals are over, or approvers, policy, vault or a denylist changed: it is asked about"
                " anew.",
                next_step=_SIGN_ANEW,
            )


async def own(
    conn: Connection, batch_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> BatchRow:
    """The account's batch. Raises: NotFound, also when it is another's."""
    row = await (payout_batches.lock(conn, batch_id) if lock else payout_batches.get(conn, batch_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such payout batch: {batch_id!r:.70}.", param="id")
    return row


def _payout(batch: BatchRow, id: str, place: int, each: Asked, checked: Checked) -> NewPayout:
    bench = checked.benches[each.terms.token.id]
    mandate = checked.under.get(each.line.number)
    carried = record(Rule.MANDATE, [f"{mandate.id} carries it."], acts_next.SUBMITTER) if mandate else None
    return NewPayout(
        id=id,
        account_id=batch.account_id,
        livemode=batch.livemode,
        identity=each.identity,
        token_id=each.terms.token.id,
        chain_id=batch.chain_id,
        vault=batch.vault,
        destination=each.terms.destination,
        amount=each.terms.amount.units,
        approvals_required=batch.approvals_required,
        approval_expires_at=mandate.expires_at if mandate else batch.approval_expires_at,
        roster_version=batch.roster_version,
        policy_decision=carried or batch.policy_decision,
        policy_id=bench.policy_id,
        client_reference_id=each.reference,
        description=each.description,
        metadata={},
        requested_by=batch.requested_by,
        maker=batch.maker,
        created_at=batch.created_at,
        batch_id=batch.id,
        batch_position=place,
        destination_id=each.terms.destination_id,
        mandate_id=mandate.id if mandate else None,
        network_decision=checked.chosen.shown() if checked.chosen else None,
    )


def _decision(checked: Checked) -> dict[str, Any]:
    needs = f"The sum of each token needs {checked.required} approval{'s' if checked.required > 1 else ''}."
    if checked.under:
        return record(Rule.MANDATE, ["Each line's mandate carries it."], acts_next.SUBMITTER)
    people = acts_next.people(checked.may_sign, checked.required)
    if checked.lacks:
        return record(Rule.MANDATE, [needs, *checked.lacks[:LACKS_SHOWN]], people)
    return record(Rule.WITHIN_LIMITS, [needs], people)


def _require_people(checked: Checked) -> None:
    if not checked.under and len(checked.may_sign) < checked.required:
        raise Rejected(
            "approvers_missing",
            f"{checked.required} people must agree, but {len(checked.may_sign)} may sign for all of it.",
        )


async def _require_signatory(
    conn: Connection, batch: BatchRow, rows: Sequence[PayoutRow], who: Address
) -> None:
    if who == batch.maker:
        raise Forbidden(
            "approver_is_requester", f"{checksum(who)} asked for this batch; others must approve."
        )
    if not await approvals.is_approver(conn, batch.account_id, batch.roster_version, who):
        raise Forbidden("approver_unknown", f"{checksum(who)} does not approve for this account.")
    if who not in await signers_of(conn, batch, rows):
        raise Forbidden("approver_not_named", f"The policy leaves {checksum(who)} out for a token of this.")
