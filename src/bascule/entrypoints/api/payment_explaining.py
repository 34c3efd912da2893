"""/v1/payment_intents/{id}/explain: why it is as it is, what comes next, what a transfer would make of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bascule.domain.application import REASON_SENTENCES, Reason
from bascule.domain.chain import Hash, hex32
from bascule.domain.payment_intent import PAYMENT_INTENT
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import (
    Amount,
    DepositStatus,
    Id,
    IntentStatus,
    Nothing,
    Params,
    UnappliedReason,
    UnixSeconds,
)
from bascule.entrypoints.api.shape import Atomic, Caip2, Decimal6, HashOut, Seconds, Shape
from bascule.entrypoints.explaining import next_of_intent
from bascule.services import intents, trying
from bascule.storage import payment_intents
from bascule.storage.database import Connection

Application = Literal["unapplied", "applied", "refunded", "accepted"]


class PaymentIntentTry(Params):
    """A transfer that nobody has made: a token's amount, to the intent's address on the token's network."""

    token: Id
    amount: Amount
    block_time: Annotated[UnixSeconds | None, Field(description="When its block is; now when missing.")] = (
        None
    )


class ExplainedDeposit(Shape):
    """What arrived, and what it counts as; application: null while nothing is decided."""

    id: str
    tx_hash: HashOut
    status: DepositStatus
    application: Application | None
    unapplied_reason: UnappliedReason | None
    because: str | None


class PaymentIntentExplanation(Shape):
    """A payment intent in words: its state, what arrived for it, and what happens next."""

    object: Literal["payment_intent.explanation"]
    payment_intent: str
    status: IntentStatus
    because: str
    flags: list[str]
    amount: Decimal6
    amount_received: Decimal6
    amount_confirmed: Decimal6
    amount_remaining: Decimal6
    amount_overpaid: Decimal6
    amount_refunded: Decimal6
    deposits: list[ExplainedDeposit]
    next: str


class IntentThen(Shape):
    """What the payment intent would be. events: those that would be told of it on the way there."""

    status: IntentStatus
    flags: list[str]
    amount_received: Decimal6
    amount_confirmed: Decimal6
    amount_remaining: Decimal6
    amount_overpaid: Decimal6
    events: list[str]


class PaymentIntentTrial(Shape):
    """What a transfer would make of a payment intent; nothing of it has happened."""

    object: Literal["payment_intent.trial"]
    payment_intent: str
    network: Caip2
    token: str
    amount_atomic: Atomic
    block_time: Seconds
    application: Application
    unapplied_reason: UnappliedReason | None
    because: str
    when_seen: IntentThen
    when_final: IntentThen


async def explain(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """Why an intent is as it is, and what happens next."""
    row, shown = await intents.look_at_own(conn, call.id("pi"), call.account_id, call.livemode)
    return {
        "object": "payment_intent.explanation",
        "payment_intent": row.id,
        "status": shown["status"],
        "because": PAYMENT_INTENT.sentences[row.state],
        "flags": shown["flags"],
        **{name: shown[name] for name in shown if name.partition("_")[0] == "amount"},
        "deposits": [
            {
                "id": each.id,
                "tx_hash": hex32(Hash(each.tx_hash)),
                "status": each.state,
                "application": each.application,
                "unapplied_reason": each.reason,
                "because": None if each.reason is None else REASON_SENTENCES[Reason(each.reason)],
            }
            for each in await payment_intents.deposits_of(conn, [row.id])
        ],
        "next": next_of_intent(row.state, shown),
    }


async def try_transfer(call: Call[PaymentIntentTry], conn: Connection) -> dict[str, Any]:
    """What a transfer would be decided to be, by the rules real ones are decided by. Nothing is written."""
    row = await intents.own(conn, call.id("pi"), call.account_id, call.livemode)
    params = call.params
    at = trying.moment(params.block_time, call.deps.clock.now())
    return await trying.try_transfer(conn, row, trying.Transfer(params.token, params.amount, at))


_PATH = "/v1/payment_intents/{id}/explain"
_READ = "payment_intents:read"

OPERATIONS = (
    Operation(
        "GET", _PATH, "explain_payment_intent", "Say why it is as it is", _READ, explain, Nothing,
        PaymentIntentExplanation,
    ),
    Operation(
        "POST", _PATH, "try_payment_intent", "Try a transfer against a payment intent", _READ, try_transfer,
        PaymentIntentTry, PaymentIntentTrial,
        example={"token": "tok_01jd3x8k0m7v2n5q9r4t6w8y1z", "amount": "24.00"},
    ),
)  # fmt: skip
