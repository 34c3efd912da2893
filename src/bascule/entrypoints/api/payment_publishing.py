"""/v1/payment_intents/{id}/public: one payment as its payer's browser may see it.

Asked for with a publishable key and the intent's client secret, which opens this one intent and nothing else.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bascule.domain.errors import NotFound
from bascule.entrypoints.api.objects import AcceptedMoney, IntentNextAction
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import IntentStatus, Params
from bascule.entrypoints.api.shape import Decimal6, Seconds, Shape
from bascule.services import intents
from bascule.storage.database import Connection


class ClientSecret(Params):
    """What proves that the page was given this payment."""

    client_secret: Annotated[
        str, StringConstraints(max_length=200), Field(description="The intent's; without it there is none.")
    ] = ""


class PublicPaymentIntent(Shape):
    """A payment intent as its payer may see it: not the merchant's tolerances, references or metadata."""

    id: str
    object: Literal["payment_intent"]
    amount: Decimal6
    currency: str
    amount_received: Decimal6
    amount_confirmed: Decimal6
    amount_remaining: Decimal6
    amount_overpaid: Decimal6
    status: IntentStatus
    flags: list[str]
    accepted: list[AcceptedMoney]
    next_action: IntentNextAction | None
    expires_at: Seconds
    closes_at: Seconds
    description: str | None
    cancellation_reason: str | None
    livemode: bool
    created: Seconds
    canceled_at: Seconds | None
    succeeded_at: Seconds | None
    version: int


async def retrieve(call: Call[ClientSecret], conn: Connection) -> dict[str, Any]:
    """One intent for its payer's browser, by its client secret."""
    row, shown = await intents.look_at_own(conn, call.id("pi"), call.account_id, call.livemode)
    if not compare_digest(row.client_secret.encode(), call.params.client_secret.encode()):
        raise NotFound(
            "resource_missing", f"No such payment intent: {row.id!r:.70}.", param="id",
            next_step="Send the client_secret that came with this payment intent.",
        )  # fmt: skip
    return {name: shown[name] for name in PublicPaymentIntent.model_fields}


OPERATIONS = (
    Operation(
        "GET", "/v1/payment_intents/{id}/public", "get_public_payment_intent",
        "Read a payment intent in a browser", "client_secrets:read", retrieve, ClientSecret,
        PublicPaymentIntent,
    ),
)  # fmt: skip
