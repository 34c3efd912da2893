"""One object from all sides: its state in words, the evidence behind it, and what happens next."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bascule.domain.chain import ZERO_ADDRESS, Address, Hash, caip2, checksum, hex32
from bascule.domain.deposit import DEPOSIT, DepositState
from bascule.domain.errors import NotFound
from bascule.domain.flush import FLUSH, FlushState
from bascule.domain.ids import Prefix
from bascule.domain.payment_intent import PAYMENT_INTENT, IntentState
from bascule.entrypoints import (
    explaining_authorizations,
    explaining_checkouts,
    explaining_invoices,
    explaining_refunds,
    explaining_screenings,
    explaining_settlements,
)
from bascule.entrypoints import explaining_money_out as money_out
from bascule.entrypoints import explaining_upkeep as upkeep
from bascule.services import deposits, intents
from bascule.storage import contract_events, flushes, overview, payment_intents, screenings
from bascule.storage.database import Connection

_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_SLOT = re.compile(r"([0-9]{1,18})/0x([0-9a-fA-F]{40})/([0-9]{1,18})")


async def explain(conn: Connection, what: str) -> dict[str, Any] | None:
    """What there is to say about an id or a transaction hash; None for anything else. Raises: NotFound."""
    if _HASH.fullmatch(what):
        return await _transaction(conn, Hash(bytes.fromhex(what[2:])))
    if (at := _SLOT.fullmatch(what)) is not None:
        return await money_out.slot(conn, int(at[1]), Address(bytes.fromhex(at[2])), int(at[3]))
    about = _KINDS.get(what.partition("_")[0])
    return None if about is None else await about(conn, what)


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
        "next": next_of_intent(state, shown),
    }


def next_of_intent(state: IntentState, shown: Mapping[str, Any]) -> str:
    """What happens to an intent next, and by whom. shown: as the API shows it."""
    match state:
        case IntentState.REQUIRES_ACTION if "held" in shown["flags"]:
            return "somebody decides about what is held, so nobody pays again: its deposit says more"
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
    for screening_id in await screenings.holding_deposits(conn, [deposit_id]):
        waits = dict.fromkeys(waits, f"screening holds it: `bascule explain {screening_id}`")
    ways = " or ".join(f"POST /v1/deposits/{deposit_id}/{step}" for step in shown["next_steps"])
    return {
        "object": f"deposit {deposit_id}",
        "state": f"{state}: {DEPOSIT.sentences[state]}",
        **_changed(shown),
        "counts_for": shown["application"] or f"nothing ({shown['unapplied_reason']})",
        "evidence": {
            name: shown[name] for name in ("network", "tx_hash", "log_index", "block_number", "block_hash")
        },
        "next": _coin_step(shown) or (f"the merchant decides: {ways}" if ways else waits[state]),
    }


def _changed(shown: dict[str, Any]) -> dict[str, str]:
    """That a reorg changed what it is worth; nothing where none did."""
    changed = shown["amount_changed"]
    if changed is None:
        return {}
    was, now = changed["before_atomic"], shown["amount_atomic"]
    return {"amount": f"changed from {was} to {now} base units when its transaction was mined again"}


def _coin_step(shown: dict[str, Any]) -> str | None:
    """What is done with native coin, which is in no books; None for tokens."""
    if shown["contract"] != checksum(ZERO_ADDRESS):
        return None
    chain = shown["network"].removeprefix("eip155:")
    return (
        "it is in no books; the call that `bascule sweeper coin-call --chain"
        f" {chain} --address {shown['to']}` prints takes it to the collector, and treasury sends it back"
    )


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


_KINDS: Mapping[str, Callable[[Connection, str], Awaitable[dict[str, Any]]]] = {
    Prefix.PAYMENT_INTENT: _intent,
    Prefix.CHECKOUT_SESSION: explaining_checkouts.session,
    Prefix.DEPOSIT: _deposit,
    Prefix.AUTHORIZATION: explaining_authorizations.authorization,
    Prefix.FLUSH: _flush,
    Prefix.PAYOUT: money_out.payout,
    Prefix.PAYOUT_BATCH: money_out.batch,
    Prefix.MANDATE: money_out.mandate,
    Prefix.REFUND: explaining_refunds.refund,
    Prefix.INVOICE: explaining_invoices.invoice,
    Prefix.SETTLEMENT: explaining_settlements.settlement,
    Prefix.SCREENING: explaining_screenings.screening,
    Prefix.POLICY: money_out.policy,
    Prefix.DESTINATION: money_out.destination,
    Prefix.BREAK: upkeep.difference,
    Prefix.EVENT: upkeep.event,
    Prefix.DELIVERY: upkeep.delivery,
    Prefix.WEBHOOK_ENDPOINT: upkeep.endpoint,
    Prefix.TOKEN: upkeep.token,
    Prefix.ACCOUNT: upkeep.account,
}
KINDS = tuple(f"{prefix}_" for prefix in _KINDS)
