"""Money out from all sides: payouts, their batches and slots, and the rules and payees behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bascule.domain import stops
from bascule.domain.chain import Address, Hash, caip2, checksum, hex32
from bascule.domain.errors import NotFound
from bascule.domain.mandate import MANDATE, MandateState
from bascule.domain.payout import FAILURES, LAPSES, PAYOUT, FailureCode, PayoutState
from bascule.domain.payout_batch import PAYOUT_BATCH, BatchState
from bascule.domain.slot import SLOT, SlotState
from bascule.domain.slot_stuck import REMEDIES
from bascule.services import mandate_view, payouts, policies
from bascule.services.batch_view import describe_batch, signers_of
from bascule.storage import (
    attempts,
    audit,
    cancels,
    destinations,
    freezes,
    lanes,
    mandates,
    negatives,
    offers,
    overview,
    payout_batches,
    refunds,
    slots,
)
from bascule.storage import payouts as payout_rows
from bascule.storage import policies as policy_rows
from bascule.storage.database import Connection


async def payout(conn: Connection, payout_id: str) -> dict[str, Any]:
    """A payout: who let it through, every transaction that tried, what proves its end."""
    shown = await payouts.describe(conn, payout_id)
    shown["reissued_as"] = await negatives.reissued_as(conn, payout_id)
    shown["refund"] = await refunds.paid_by(conn, payout_id)
    state = PayoutState(shown["status"])
    waits = {
        PayoutState.REQUIRES_ACTION: _who_signs(shown["next_action"]),
        PayoutState.PENDING: _waits(shown["waits_for"]),
        PayoutState.IN_TRANSIT: _on_its_way(shown["cancellation"]),
    }
    return {
        "object": f"payout {payout_id}",
        "state": f"{state}: {PAYOUT.sentences[state]}",
        "failure": _failure(shown["failure_code"]),
        "asked_anew": LAPSES.get(shown["lapse_reason"]),
        "approvals": shown["approvals"],
        "policy": shown["policy_decision"],
        "network": shown["network_decision"] or f"{shown['network']}, as was asked for",
        "transactions": shown["transactions"],
        "nodes_said": await _said(conn, shown["transactions"]),
        "evidence": shown["evidence"],
        "reissue_of": shown["reissue_of"],
        "reissued_as": shown["reissued_as"],
        "audit": [row["action"] for row in await audit.of_object(conn, payout_id)],
        "next": await _remedy(conn, payout_id, state) or waits.get(state, _end(shown)),
    }


_PAUSED = "its issuer paused the token: nothing to do, it goes on when the issuer lifts that"


def _on_its_way(called_off: dict[str, Any] | None) -> str:
    if called_off is None or called_off["status"] != "open":
        return "the chain makes its batch final"
    return (
        "it was called off: its batch or the canceller's call of the vault is final first, which says the end"
    )


def _waits(why: str | None) -> str:
    """What a payout that is approved waits for, and who ends that."""
    if why is None:
        return "the submitter takes it into the next batch"
    ends = {
        "frozen": "an operator froze it: `bascule unfreeze`",
        "token_suspended": "the token is suspended: look why, then `bascule tokens resume`",
        "token_suspended:paused": _PAUSED,
        "token_paused": _PAUSED,
        "vault_frozen": "its issuer froze the vault: ask the issuer, it goes on when that is lifted",
        "float_short": "the vault holds too little: `bascule float`",
        "rolling_limit": "the vault's own limit: wait, or its owner raises it",
        "signer_refuses": "a limit of the signer: wait, or `bascule limits propose`",
        "restore_unsettled": "bytes signed before a restore may still pay it: an operator runs"
        " `bascule restore check`; it goes on an hour later, or once the guardian retired the old lanes",
        "restore_unchecked": "its vault was left, and lanes in no row paid there: an operator runs"
        " `bascule restore check`",
        "vault_unread": "no node shows what its vault paid: look at the nodes with `bascule doctor`",
        "screening": "its payee stands on a list, and the compliance role decides: `bascule screening list`",
    }
    end = ends.get(why) or ends.get(why.partition(":")[0])
    return f"it waits ({why})" + (f"; {end}" if end else "")


def _failure(code: str | None) -> str | None:
    """What a code means and what to do; the code itself where another release gave it."""
    if code is None:
        return None
    try:
        return " ".join(FAILURES[FailureCode(code)])
    except ValueError:
        return f"{code}, which is not of this release"


def _who_signs(action: dict[str, Any] | None) -> str:
    """Who must act next, while approvals are missing."""
    if action is None:
        return "nothing"
    missing, people = action["approvals_missing"], ", ".join(action["approvers"])
    return f"{missing} more approvals are signed and handed in, by {missing} of {people}"


async def mandate(conn: Connection, mandate_id: str) -> dict[str, Any]:
    """A mandate: what it allows, who signed it, whether it still holds."""
    row = await mandates.get(conn, mandate_id)
    if row is None:
        raise NotFound("resource_missing", f"No such mandate: {mandate_id}.", next_step="copy the id whole")
    shown = await mandate_view.describe_row(conn, row, datetime.now(UTC))
    frozen = stops.mandate(mandate_id) in {each["scope"] for each in await freezes.standing(conn)}
    waits = {
        MandateState.REQUIRES_ACTION: _who_signs(shown["next_action"]),
        MandateState.ACTIVE: f"payouts name it, until {row.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {
        "object": f"mandate {mandate_id}",
        "state": f"{row.state}: {MANDATE.sentences[row.state]}",
        "pays": f"{shown['destination']} on {shown['network']}, in {shown['currency']}",
        "caps": {name: shown[name] for name in ("max_per_item", "max_per_day", "spent_today")},
        "approvals": shown["approvals"],
        "audit": [each["action"] for each in await audit.of_object(conn, mandate_id)],
        "next": f"an operator froze it: `bascule unfreeze {mandate_id}`"
        if frozen
        else waits.get(row.state, "nothing: this is its end; propose another"),
    }


async def _said(conn: Connection, transactions: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What each node said last to each transaction's bytes."""
    return {
        each["hash"]: [
            f"{told.node}: {told.says}" + (f" ({told.words})" if told.words else "")
            for told in await offers.of_attempt(conn, Hash(bytes.fromhex(each["hash"][2:])))
        ]
        for each in transactions
    }


async def _remedy(conn: Connection, payout_id: str, state: PayoutState) -> str | None:
    """What a person can do about the slot the payout stands in, or its lane, while that stands still."""
    stood_in = await slots.of_payout(conn, payout_id)
    if state in (PayoutState.PENDING, PayoutState.IN_TRANSIT):
        found = await payout_rows.get(conn, payout_id)
        assert found is not None, "it was shown a moment ago"
        at = f"{found.chain_id}/"
        closed = [f"{k}: {why}" for k, why in (await lanes.closed(conn)).items() if k.startswith(at)]
        if closed:
            return f"closed lanes ({'; '.join(closed)}): an operator runs `bascule restore check`"
        if found.stuck and await cancels.left_over(conn, payout_id):
            return (
                f"its vault id {found.vault_id} was used before its batch came, by a call these rows do not"
                " know, so no batch can pay it any more: if that was a cancel, `bascule restore check` ends"
                " it; otherwise look for the id in BatchPaid and PayoutCanceled of"
                f" vault {checksum(found.vault)}, then `bascule explain` that transaction; a transfer to"
                f" {checksum(found.destination)} there has paid it"
            )
    why = stood_in[-1].stuck if stood_in else None
    return None if why is None else f"{why.value}: {REMEDIES[why]}"


def _end(shown: dict[str, Any]) -> str:
    """What is left to do about a payout that has ended."""
    evidence = shown["evidence"]
    if shown["refund"] is not None and shown["status"] != PayoutState.PAID:
        return f"nothing: {shown['refund']} failed with it; its payment can be refunded anew"
    if evidence is None:
        return "nothing: it had no vault id" if shown["vault_id"] is None else (
            "nothing by hand: it may be asked for again (reissue_of) once a final block proves it unpaid; if"
            " that does not come within two hours, look for its vault_id in the vault's events"
        )  # fmt: skip
    if evidence["outcome"] == "paid":
        return "nothing: this is its end"
    if shown["reissued_as"] is not None:
        return f"nothing: {shown['reissued_as']} stands in its place"
    return "nothing; it may be asked for again as a new payout (reissue_of)"


async def batch(conn: Connection, batch_id: str) -> dict[str, Any]:
    """A payout batch: how far it is, and who must sign."""
    row = await payout_batches.get(conn, batch_id)
    if row is None:
        raise NotFound("resource_missing", f"No such batch: {batch_id}.", next_step="copy the id whole")
    shown = await describe_batch(conn, row, typed_data=False)
    counted = {state: count for state, count in shown["progress"].items() if count}
    return {
        "object": f"payout batch {batch_id}",
        "state": f"{row.state}: {PAYOUT_BATCH.sentences[row.state]}",
        "totals": shown["totals"],
        "payouts": counted,
        "policy": shown["policy_decision"],
        "approvals": shown["approvals"],
        "left_out": len(shown["errors"]),
        "audit": [each["action"] for each in await audit.of_object(conn, batch_id)],
        "next": await _next_of_batch(conn, row, shown),
    }


async def _next_of_batch(
    conn: Connection, row: payout_batches.BatchRow, shown: dict[str, Any]
) -> str:  # fmt: skip
    if row.state is BatchState.VALIDATING:
        return "its lines are checked"
    if row.state is BatchState.REQUIRES_ACTION:
        signed = {each["approver"] for each in shown["approvals"]}
        could = await signers_of(conn, row, await payout_rows.of_batch(conn, row.id))
        left = [checksum(each) for each in sorted(could) if checksum(each) not in signed]
        missing = shown["approvals_required"] - len(signed)
        return f"{missing} of {', '.join(left) or 'nobody'} sign it: bascule approve {row.id}"
    if row.state is BatchState.PROCESSING:
        waiting = [
            each.id
            for each in await payout_rows.of_batch(conn, row.id)
            if each.state not in PAYOUT.finals
        ]  # fmt: skip
        return f"{len(waiting)} payouts end first, {waiting[0]} among them: bascule explain {waiting[0]}"
    return "nothing: this is its end"


async def slot(conn: Connection, chain_id: int, wallet: Address, nonce: int) -> dict[str, Any]:
    """A nonce of ours: its content, every attempt, what each node said, why it stands still."""
    row = await slots.find(conn, chain_id, wallet, nonce)
    name = f"{chain_id}/{checksum(wallet)}/{nonce}"
    if row is None:
        raise NotFound("resource_missing", f"No such slot: {name}.", next_step="CHAIN/WALLET/NONCE")
    tried = await attempts.of_slot(conn, row)
    carried = await overview.payouts_in_slot(conn, chain_id, wallet, nonce)
    waits = {
        SlotState.RESERVED: "the signer is asked for its bytes",
        SlotState.SIGNED: "the submitter offers its bytes to every node",
        SlotState.BROADCAST: "a block takes one of its attempts; the same bytes are offered on",
        SlotState.MINED: "the chain makes its block final",
    }
    said = {
        hex32(Hash(each.tx_hash)): [
            f"{told.node}: {told.says}" for told in await offers.of_attempt(conn, each.tx_hash)
        ]
        for each in tried
    }
    return {
        "object": f"slot {name}",
        "state": f"{row.kind}, {row.state}: {SLOT.sentences[row.state]}",
        "network": caip2(chain_id),
        "attempts": {hex32(Hash(each.tx_hash)): each.state.value for each in tried},
        "nodes_said": said,
        "deadline": None if row.terms is None else int(row.terms.deadline.timestamp()),
        "payouts": {each["payout_id"]: each["outcome"] for each in carried},
        "next": f"{row.stuck.value}: {REMEDIES[row.stuck]}"
        if row.stuck is not None
        else waits.get(row.state, "nothing: this is its end"),
    }


async def policy(conn: Connection, policy_id: str) -> dict[str, Any]:
    """A version of the rules: whether it rules now, and who set it."""
    row = await policy_rows.get(conn, policy_id)
    if row is None:
        raise NotFound("resource_missing", f"No such policy: {policy_id}.", next_step="copy the id whole")
    [shown] = await policies.describe(conn, [row])
    return {
        "object": f"policy {policy_id}",
        "state": f"version {row.version}, " + ("in force" if shown["in_force"] else "replaced"),
        "of": f"{row.account_id}, {row.token_id or 'every token without its own'}",
        "rules": {
            name: value
            for name, value in shown.items()
            if value not in (None, [], {}) and name not in ("id", "object", "version", "in_force", "token")
        },
        "audit": [each["action"] for each in await audit.of_object(conn, policy_id)],
        "next": "it decides each new payout; a new version: POST /v1/policies"
        if shown["in_force"]
        else "nothing: payouts that it decided are decided anew before they are paid",
    }


async def destination(conn: Connection, destination_id: str) -> dict[str, Any]:
    """An entry of the address book: since when, verified by whom."""
    row = await destinations.get(conn, destination_id)
    if row is None:
        raise NotFound(
            "resource_missing", f"No such destination: {destination_id}.", next_step="copy the id whole"
        )
    verified = row.verified_by is not None
    state = "archived" if row.archived_at is not None else "verified" if verified else "not verified"
    return {
        "object": f"destination {destination_id}",
        "state": f"{state}: {row.label}",
        "network": caip2(row.chain_id),
        "address": checksum(row.address),
        "added": f"{row.created_at.isoformat()} by {row.created_by}",
        "verified": None
        if row.verified_by is None or row.verified_at is None
        else f"{row.verified_at.isoformat()} by {checksum(row.verified_by)}",
        "next": {
            "archived": "nothing: no new payout may name it",
            "verified": "nothing: payouts may name it, as far as the policy's cool-off allows",
            "not verified": f"an approver who did not add it signs: POST /v1/destinations/{row.id}/verify",
        }[state],
    }
