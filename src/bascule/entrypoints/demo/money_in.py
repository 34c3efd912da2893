"""The acts of money in: paid exactly, too little, too much, too late, and taken back by a reorg."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from bascule.chain.abi import artifact
from bascule.entrypoints.demo import nodes
from bascule.entrypoints.demo.stage import Stage, StepFailed, check, due
from bascule.entrypoints.dev.wallet import Mined, receipt

UNIT = 10**6
SUCCEEDED = "payment_intent.succeeded"
REORG_TRIES = 5


def succeeded(intent: dict[str, Any]) -> bool:
    """Whether an intent is paid for good."""
    return bool(intent["status"] == "succeeded")


async def exact(stage: Stage) -> None:
    """A customer pays what was asked: detected, final, booked, told."""
    act = "exact"
    intent = await stage.intent("25.00", description="A pair of shoes", client_reference_id="order-1")
    to, amount = due(intent, stage.chain_id)
    check(amount == 25 * UNIT, "25.00 are 25000000 base units", amount)
    stage.timeline.say(act, f"{intent['id']} asks for 25.00 USDC at 0x{to.hex()}")
    wallet = stage.customer(0)
    mined = await receipt(stage.rpc, await wallet.transfer(stage.token, to, amount))
    stage.served.set()
    stage.timeline.say(act, f"the customer paid in block {mined.block_number}", tx_hash=mined.hash)
    seen = await stage.intent_until(
        intent["id"], lambda i: i["status"] != "requires_action", "the payment to be seen"
    )
    stage.timeline.say(act, f"the payment was seen: {seen['status']}, received {seen['amount_received']}")
    paid = await stage.intent_until(intent["id"], succeeded, "the payment to become final")
    check(paid["amount_confirmed"] == "25.000000", "25.00 are confirmed", paid)
    stage.timeline.say(act, "the payment is final: succeeded, confirmed 25.000000")
    deposits = (await stage.merchant.get(f"/v1/payment_intents/{intent['id']}/deposits"))["data"]
    check(
        [(d["status"], d["amount_atomic"], d["tx_hash"]) for d in deposits]
        == [("finalized", str(amount), mined.hash)],
        "one final deposit of it",
        deposits,
    )
    await stage.until(
        lambda: stage.merchant.get("/v1/balance"),
        lambda b: sum(int(part["amount_atomic"]) for part in b["available"]) >= amount,
        "the merchant's balance",
    )
    stage.timeline.say(act, "it is booked: the merchant's available balance has it")
    event = await stage.told(SUCCEEDED, intent["id"])
    check(event["data"]["object"]["amount_confirmed"] == "25.000000", "the event shows what happened", event)
    stage.timeline.say(act, f"the signed webhook {event['id']} came and verifies")


async def under(stage: Stage) -> None:
    """Too little is not enough until the rest comes."""
    act = "underpaid"
    intent = await stage.intent("40.00")
    to, _ = due(intent, stage.chain_id)
    wallet = stage.customer(1)
    await receipt(stage.rpc, await wallet.transfer(stage.token, to, 30 * UNIT))
    seen = await stage.intent_until(
        intent["id"], lambda i: i["amount_received"] == "30.000000", "30.00 to be seen"
    )
    check(
        seen["status"] == "requires_action"
        and "partially_paid" in seen["flags"]
        and seen["amount_remaining"] == "10.000000",
        "30.00 of 40.00 leave 10.00 to pay",
        seen,
    )
    await stage.told("payment_intent.partially_funded", intent["id"])
    stage.timeline.say(act, "30.00 of 40.00 came: still open, 10.000000 remain, the merchant was told")
    _, rest = due(seen, stage.chain_id)
    check(rest == 10 * UNIT, "the rest is asked for", rest)
    await receipt(stage.rpc, await wallet.transfer(stage.token, to, rest))
    paid = await stage.intent_until(intent["id"], succeeded, "the rest to become final")
    check(
        paid["amount_confirmed"] == "40.000000" and "partially_paid" not in paid["flags"],
        "topped up to exactly 40.00",
        paid,
    )
    await stage.told(SUCCEEDED, intent["id"])
    stage.timeline.say(act, "the missing 10.00 came: succeeded, confirmed 40.000000")


async def over(stage: Stage) -> None:
    """Too much succeeds, and what is too much is shown and waits."""
    act = "overpaid"
    intent = await stage.intent("10.00")
    to, _ = due(intent, stage.chain_id)
    await receipt(stage.rpc, await stage.customer(2).transfer(stage.token, to, 12_500_000))
    paid = await stage.intent_until(intent["id"], succeeded, "the payment to become final")
    check("overpaid" in paid["flags"] and paid["amount_overpaid"] == "2.500000", "2.50 too much", paid)
    await stage.told("payment_intent.overpaid", intent["id"])
    await stage.told(SUCCEEDED, intent["id"])
    stage.timeline.say(act, "12.50 came for 10.00: succeeded, overpaid 2.500000 is kept apart")


async def late(stage: Stage) -> None:
    """A payment after the deadline, by block time, on an intent that lives a few seconds."""
    act = "late"
    expires_at = int(time.time()) + 4
    intent = await stage.intent("15.00", expires_at=expires_at, closes_at=expires_at + 3600)
    to, amount = due(intent, stage.chain_id)
    expired = await stage.intent_until(
        intent["id"], lambda i: "expired" in i["flags"], "the deadline to pass"
    )
    check(expired["status"] == "requires_action", "expired is not closed", expired)
    await stage.told("payment_intent.expired", intent["id"])
    stage.timeline.say(act, "4 seconds passed without a payment: expired, not closed")

    await stage.replaced.wait()  # anvil's other blocks are of earlier times: what was late is not there

    async def head() -> dict[str, Any]:
        return dict(await stage.rpc.call("eth_getBlockByNumber", "latest", False))

    await stage.until(head, lambda b: int(b["timestamp"], 16) >= expires_at, "a block after the deadline")
    await receipt(stage.rpc, await stage.customer(3).transfer(stage.token, to, amount))
    paid = await stage.intent_until(intent["id"], succeeded, "the late payment to become final")
    check({"late", "expired"} <= set(paid["flags"]), "accepted as late", paid)
    await stage.told(SUCCEEDED, intent["id"])
    stage.timeline.say(act, "15.00 came after the deadline: accepted, flagged late")


async def reorg(stage: Stage) -> None:
    """A payment disappears with its block, and comes back in another one as the same deposit."""
    act = "reorg"
    if not await nodes.can_reorganise(stage.rpc):
        stage.timeline.tell("The reorg is left out: this node has no method for it that we know.")
        stage.replaced.set()
        return
    await stage.opened.wait()  # the watcher reads at the head from here on: what it sees is not final yet
    for _ in range(REORG_TRIES):
        payment = await _pay_for_reorg(stage)
        depth = await nodes.take_away(stage.rpc, payment.mined)
        if depth is not None:
            break
    else:
        raise StepFailed(f"{REORG_TRIES} payments were final before they could be taken back")
    stage.replaced.set()
    stage.timeline.say(act, f"33.00 was seen in block {payment.mined.block_number}, not final yet")
    intent_id, mined = payment.intent_id, payment.mined
    gone = await stage.intent_until(
        intent_id,
        lambda i: i["status"] == "requires_action" and "reorged" in i["flags"],
        "the payment to be gone",
    )
    check(gone["amount_received"] == "0.000000", "nothing is received any more", gone)
    await stage.told("payment_intent.reorged", intent_id)
    stage.timeline.say(act, f"a reorg of {depth} blocks took it away: open again, the merchant was told")
    again = await receipt(stage.rpc, await stage.customer(4).offer(payment.raw))
    check(
        again.hash == mined.hash and again.block_hash != mined.block_hash, "same payment, other block", again
    )
    await stage.intent_until(intent_id, succeeded, "the payment to return and become final")
    deposits = (await stage.merchant.get(f"/v1/payment_intents/{intent_id}/deposits"))["data"]
    check(
        [(d["id"], d["block_hash"]) for d in deposits] == [(payment.deposit_id, again.block_hash)],
        "the same deposit in its new block",
        deposits,
    )
    await stage.told(SUCCEEDED, intent_id)
    stage.timeline.say(
        act, f"it came back in block {again.block_number} as the same deposit: succeeded, booked once"
    )


@dataclass(frozen=True, slots=True)
class _Payment:
    """A payment that was seen. raw: its signed bytes."""

    intent_id: str
    deposit_id: str
    raw: str
    mined: Mined


async def _pay_for_reorg(stage: Stage) -> _Payment:
    intent = await stage.intent("33.00")
    to, amount = due(intent, stage.chain_id)
    wallet = stage.customer(4)
    raw = await wallet.sign(stage.token, artifact("TestDollar").calldata("transfer", bytes(to), amount))
    mined = await receipt(stage.rpc, await wallet.offer(raw))
    await stage.intent_until(
        intent["id"], lambda i: i["status"] != "requires_action", "the payment to be seen"
    )
    [deposit] = (await stage.merchant.get(f"/v1/payment_intents/{intent['id']}/deposits"))["data"]
    return _Payment(intent["id"], deposit["id"], raw, mined)


async def play(stage: Stage) -> None:
    """All acts at once, as customers do."""
    async with asyncio.TaskGroup() as acts:
        for each in (exact, under, over, late, reorg):
            acts.create_task(each(stage))
