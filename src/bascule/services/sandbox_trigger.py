"""Events on demand, by making true what they tell: nothing is ever announced that did not happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import caip2
from bascule.domain.errors import Rejected
from bascule.services import intents
from bascule.services.intent_request import Choice
from bascule.services.intents import IntentRequest, Intents
from bascule.services.sandbox import Sandbox
from bascule.services.sandbox_money import Wish, pay

AMOUNT = "2.00"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to a fresh intent of 2.00. paid: how much is sent; canceled: whether it is called off."""

    paid: str | None = None
    canceled: bool = False


RECIPES: Mapping[str, Recipe] = {
    "payment_intent.created": Recipe(),
    "payment_intent.canceled": Recipe(canceled=True),
    "payment_intent.partially_funded": Recipe(paid="1.00"),
    "payment_intent.processing": Recipe(paid=AMOUNT),
    "payment_intent.succeeded": Recipe(paid=AMOUNT),
    "payment_intent.overpaid": Recipe(paid="3.00"),
    "deposit.detected": Recipe(paid=AMOUNT),
    "deposit.finalized": Recipe(paid=AMOUNT),
    "deposit.unapplied": Recipe(paid=AMOUNT, canceled=True),
}


async def trigger(
    box: Sandbox, use_cases: Intents, account_id: str, livemode: bool, type: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Makes an intent and does to it what the event tells; the event follows as fast as the chain is."""
    recipe = RECIPES[type]
    currency, chain_ids = await _money(box, livemode)
    async with box.db.transaction() as conn:
        made = await use_cases.create(
            conn,
            account_id=account_id,
            livemode=livemode,
            request=IntentRequest(
                amount=AMOUNT,
                currency=currency,
                accepted=[Choice(caip2(chain_id), None) for chain_id in chain_ids],
                description=f"Triggered: {type}",
                metadata={"triggered": type},
            ),
            context=context,
        )
        if recipe.canceled:
            row = await intents.own(conn, made["id"], account_id, livemode, lock=True)
            await use_cases.cancel(conn, row, reason="abandoned", context=context)
    sent = None
    if recipe.paid is not None:
        sent = await pay(box, account_id, livemode, made["id"], Wish(amount=recipe.paid))
    return {
        "object": "test_helpers.trigger",
        "type": type,
        "payment_intent": made["id"],
        "tx_hash": None if sent is None else sent["tx_hash"],
    }


async def _money(box: Sandbox, livemode: bool) -> tuple[str, list[int]]:
    """A currency that development networks take, and which of them."""
    known = await box.known(livemode)
    taken = [
        token
        for token in known.tokens.values()
        if token.payable
        and token.chain_id in box.nodes
        and known.networks[token.chain_id].deposit_factory is not None
    ]
    if not taken:
        raise Rejected("currency_unsupported", "No development network here takes payments.")
    currency = taken[0].currency
    return currency, sorted({token.chain_id for token in taken if token.currency == currency})
