"""The act of money that goes back: a customer of the shop claims a refund by its link, and is paid once."""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

from bascule.domain.chain import Address, checksum
from bascule.entrypoints.demo.money_in import UNIT, succeeded
from bascule.entrypoints.demo.money_out import approve, transfers_to
from bascule.entrypoints.demo.stage import Stage, check, due
from bascule.entrypoints.dev.wallet import balance_of, receipt


async def play(stage: Stage) -> None:
    """Asked for, claimed on the page, cooled off, approved, paid; more than was paid is refused."""
    act = "refund"
    intent = await stage.intent("18.00", description="A hat that did not fit")
    to, amount = due(intent, stage.chain_id)
    await receipt(stage.rpc, await stage.customer(5).transfer(stage.token, to, amount))
    await stage.intent_until(intent["id"], succeeded, "the payment to become final")
    refund = await stage.merchant.post("/v1/refunds", payment_intent=intent["id"], amount="12.00")
    check(refund["status"] == "requires_action", "the customer has to say where", refund)
    link, home = refund["next_action"]["url"], Address(token_bytes(20))
    stage.timeline.say(act, f"{refund['id']} of 12.00 waits for its claim link to be used")
    asked = await stage.form(link, address=checksum(home))
    check("Is this address yours?" in asked, "the page asks a second time", asked)
    await stage.form(link, address=checksum(home), confirm="yes")
    claimed = await _until(stage, refund, lambda r: r["status"] != "requires_action", "the claim")
    check(claimed["destination"]["to"] == checksum(home), "the address stands", claimed)
    waiting = await _until(stage, refund, lambda r: r["payout"] is not None, "the cool-off to end")
    await stage.paid_out.wait()  # or it would share a batch with what the treasury tells of
    payout = await stage.merchant.get(f"/v1/payouts/{waiting['payout']}")
    for approver in (0, 1):
        await approve(stage, payout, approver, stage.merchant)
    stage.timeline.say(act, "the customer said where; after the cool-off two approvers signed its payout")
    await _until(stage, refund, lambda r: r["status"] == "succeeded", "the refund to be paid")
    stage.given_back.set()
    check(await balance_of(stage.rpc, stage.token, home) == 12 * UNIT, "the customer has exactly that", home)
    check(await transfers_to(stage, home) == 1, "one Transfer, ever", home)
    paid = await stage.merchant.get(f"/v1/payment_intents/{intent['id']}")
    check(paid["amount_refunded"] == "12.000000", "the payment says what went back", paid)
    await stage.told("refund.succeeded", refund["id"])
    stage.timeline.say(
        act, "12.00 of 18.00 went back by exactly one Transfer, and the signed webhook verifies"
    )


async def _until(stage: Stage, refund: dict[str, Any], met: Any, what: str) -> dict[str, Any]:
    return await stage.until(lambda: stage.merchant.get(f"/v1/refunds/{refund['id']}"), met, what)
