"""One object from all sides: its state in words, the evidence behind it, and what happens next."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from bascule.domain import stops
from bascule.domain.chain import ZERO_ADDRESS, Address, Hash, caip2, checksum, hex32
from bascule.domain.deposit import DEPOSIT, DepositState
from bascule.domain.errors import NotFound
from bascule.domain.flush import FLUSH, FlushState
from bascule.domain.mandate import MANDATE, MandateState
from bascule.domain.payment_intent import PAYMENT_INTENT, IntentState
from bascule.domain.payout import PAYOUT, PayoutState
from bascule.domain.slot_stuck import REMEDIES
from bascule.services import deposits, intents, mandate_view, payouts
from bascule.storage import (
    audit,
    cancels,
    contract_events,
    flushes,
    freezes,
    lanes,
    mandates,
    offers,
    overview,
    payment_intents,
    slots,
)
from bascule.storage import payouts as payout_rows
from bascule.storage.database import Connection

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


async def explain(conn: Connection, what: str) -> dict[str, Any] | None:
    """What there is to say about an id or a transaction hash; None for anything else. Raises: NotFound."""
    if what.startswith("pi_"):
        return await _intent(conn, what)
    if what.startswith("dep_"):
        return await _deposit(conn, what)
    if what.startswith("po_"):
        return await _payout(conn, what)
    if what.startswith("mnd_"):
        return await _mandate(conn, what)
    if what.startswith("fl_"):
        return await _flush(conn, what)
    if _HASH.fullmatch(what):
        return await _transaction(conn, Hash(bytes.fromhex(what[2:])))
    return None


async def _intent(conn: Connection, intent_id: str) -> dict[str, Any]:
    shown = await intents.describe(conn, intent_id)
    state = IntentState(shown["status"])
    [row] = await payment_intents.get_many(conn, [intent_id])
    found = await payment_intents.deposits_of(conn, [row.id])
    return {
        "object": f"payment intent {intent_id}",
        "state": f"{state}: {PAYMENT_INTENT.sentences[state]}",
        "flags": shown["flags"],
        "amounts": {name: shown[name] for name in shown if name.startswith("amount")},
        "deposits": [
            {
                "id": each.id,
                "transaction": hex32(Hash(each.tx_hash)),
                "state": each.state,
                "counts_as": each.application
                if each.reason is None
                else f"{each.application} ({each.reason})",
            }
            for each in found
        ],
        "next": _next_of_intent(state, shown),
    }


def _next_of_intent(state: IntentState, shown: dict[str, Any]) -> str:
    match state:
        case IntentState.REQUIRES_ACTION:
            return (
                f"the customer sends {shown['amount_remaining']} {shown['currency']} to one of its addresses"
            )
        case IntentState.PROCESSING:
            return "the chain makes the payment final; then it is booked"
        case _:
            return "nothing: this is its end"


async def _deposit(conn: Connection, deposit_id: str) -> dict[str, Any]:
    shown = await deposits.describe(conn, deposit_id)
    state = DepositState(shown["status"])
    waits = {
        DepositState.DETECTED: "the chain makes it final, or a reorg takes it away",
        DepositState.ORPHANED: "the same transaction is mined again, or never",
        DepositState.FINALIZED: "nothing: it is booked",
    }
    ways = " or ".join(f"POST /v1/deposits/{deposit_id}/{step}" for step in shown["next_steps"])
    return {
        "object": f"deposit {deposit_id}",
        "state": f"{state}: {DEPOSIT.sentences[state]}",
        "counts_for": shown["application"] or f"nothing ({shown['unapplied_reason']})",
        "evidence": {
            name: shown[name] for name in ("network", "tx_hash", "log_index", "block_number", "block_hash")
        },
        "next": _coin_step(shown) or (f"the merchant decides: {ways}" if ways else waits[state]),
    }


def _coin_step(shown: dict[str, Any]) -> str | None:
    """What is done with native coin, which is in no books; None for tokens."""
    if shown["contract"] != checksum(ZERO_ADDRESS):
        return None
    chain = shown["network"].removeprefix("eip155:")
    return (
        "it is in no books; the call that `bascule sweeper coin-call --chain"
        f" {chain} --address {shown['to']}` prints takes it to the collector, and treasury sends it back"
    )


async def _payout(conn: Connection, payout_id: str) -> dict[str, Any]:
    shown = await payouts.describe(conn, payout_id)
    state = PayoutState(shown["status"])
    waits = {
        PayoutState.REQUIRES_ACTION: _who_signs(shown["next_action"]),
        PayoutState.PENDING: "the submitter takes it into the next batch",
        PayoutState.IN_TRANSIT: "the chain makes its batch final",
    }
    return {
        "object": f"payout {payout_id}",
        "state": f"{state}: {PAYOUT.sentences[state]}",
        "approvals": shown["approvals"],
        "policy": shown["policy_decision"],
        "network": shown["network_decision"] or f"{shown['network']}, as was asked for",
        "transactions": shown["transactions"],
        "nodes_said": await _said(conn, shown["transactions"]),
        "evidence": shown["evidence"],
        "audit": [row["action"] for row in await audit.of_object(conn, payout_id)],
        "next": await _remedy(conn, payout_id, state) or waits.get(state, "nothing: this is its end"),
    }


def _who_signs(action: dict[str, Any] | None) -> str:
    """Who must act next, while approvals are missing."""
    if action is None:
        return "nothing"
    missing, people = action["approvals_missing"], ", ".join(action["approvers"])
    return f"{missing} more approvals are signed and handed in, by {missing} of {people}"


async def _mandate(conn: Connection, mandate_id: str) -> dict[str, Any]:
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
    found = await slots.of_payout(conn, payout_id)
    if state in (PayoutState.PENDING, PayoutState.IN_TRANSIT):
        payout = await payout_rows.get(conn, payout_id)
        assert payout is not None, "it was shown a moment ago"
        at = f"{payout.chain_id}/"
        closed = [f"{k}: {why}" for k, why in (await lanes.closed(conn)).items() if k.startswith(at)]
        if closed:
            return f"closed lanes ({'; '.join(closed)}): an operator runs `bascule restore lanes`"
        if payout.stuck and await cancels.left_over(conn, payout_id):
            return (
                f"its vault id {payout.vault_id} was used before its batch came, by a call these rows do not"
                " know, so no batch can pay it any more: look for the id in BatchPaid and PayoutCanceled of"
                f" vault {checksum(payout.vault)}, then `bascule explain` that transaction; a transfer to"
                f" {checksum(payout.destination)} there has paid it"
            )
    why = found[-1].stuck if found else None
    return None if why is None else f"{why.value}: {REMEDIES[why]}"


async def _flush(conn: Connection, flush_id: str) -> dict[str, Any]:
    row = await flushes.get(conn, flush_id)
    if row is None:
        raise NotFound("resource_missing", f"No such flush: {flush_id}.", next_step="copy the id whole")
    outcomes = Counter(str(item.outcome) for item in await flushes.items(conn, flush_id))
    stop = await contract_events.stop(conn, row.chain_id)
    waits = {
        FlushState.REQUESTED: "the sweeper takes it up",
        FlushState.IN_TRANSIT: "the chain makes its call final",
    }
    if stop is not None and row.state is FlushState.REQUESTED:
        waits[row.state] = (
            f"flushes are stopped: collector {checksum(stop.collector)} was {stop.kind} in block"
            f" {stop.block_number}; see `bascule sweeper confirm-collector --help`"
        )
    return {
        "object": f"flush {flush_id}",
        "state": f"{row.state}: {FLUSH.sentences[row.state]}",
        "network": caip2(row.chain_id),
        "collector": checksum(row.collector),
        "slot": None if row.wallet is None else f"nonce {row.nonce} of {checksum(row.wallet)}",
        "addresses": dict(outcomes),
        "next": waits.get(row.state, "nothing: this is its end"),
    }


async def _transaction(conn: Connection, tx_hash: Hash) -> dict[str, Any]:
    ours = await overview.attempt(conn, tx_hash)
    moved = await overview.transfers_in_transaction(conn, tx_hash)
    found: dict[str, Any] = {"object": f"transaction {hex32(tx_hash)}"}
    if ours is not None:
        paid = await overview.payouts_in_slot(conn, ours["chain_id"], ours["wallet"], ours["nonce"])
        found["ours"] = {
            "network": caip2(ours["chain_id"]),
            "wallet": checksum(Address(bytes(ours["wallet"]))),
            "nonce": ours["nonce"],
            "attempt": ours["state"],
            "slot": f"{ours['kind']}, {ours['slot_state']}",
            "payouts": {row["payout_id"]: row["outcome"] for row in paid},
        }
    found["transfers"] = [
        {
            "network": caip2(row["chain_id"]),
            "block": row["block_number"],
            "token": checksum(Address(bytes(row["token"]))),
            "from": checksum(Address(bytes(row["src"]))),
            "to": checksum(Address(bytes(row["dst"]))),
            "amount_atomic": str(row["amount"]),
            "canonical": row["canonical"],
            "booked": row["booked"],
        }
        for row in moved
    ]
    found["deposits"] = {
        row["id"]: row["state"] for row in await overview.deposits_in_transaction(conn, tx_hash)
    }
    said = await contract_events.collectors_of_tx(conn, tx_hash)
    if said:
        found["factory"] = [
            {
                "network": caip2(row["chain_id"]),
                "block": row["block_number"],
                "says": f"collector {checksum(row['collector'])} {row['kind']}",
                "canonical": row["canonical"],
            }
            for row in said
        ]
    found["next"] = (
        "explain the deposits or payouts above"
        if ours is not None or moved
        else "if the collector is yours: bascule sweeper confirm-collector"
        if said
        else "nothing: it touches no address of ours"
    )
    return found
