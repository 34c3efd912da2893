"""The shapes of answers about floats, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, Decimal6, Seconds, Shape


class Units(Shape):
    """An amount of the float's token; amount_atomic is exact."""

    amount: Decimal6
    amount_atomic: Atomic


class RollingLimit(Units):
    """What the vault lets out in any window of time, and what is left of it."""

    window_seconds: int
    left: Units


class TopUp(Shape):
    """What treasury is asked to send, until it is booked or not needed any more."""

    status: Literal["none", "open", "seen"] = Field(description="Seen: capital is on chain and not final.")
    reason: Literal["missing", "runway"] | None = Field(
        description="Payouts wait for it, or soon will at the last day's rate."
    )
    proposed: Units
    coming: Units
    proposed_at: Seconds | None


class Float(Shape):
    """A token in a vault: what it holds, what is wanted of it, what it lacks."""

    id: str
    object: Literal["float"]
    network: Caip2
    vault: AddressOut
    token: str
    currency: str
    contract: AddressOut
    decimals: int
    held: Units = Field(description="Booked in the vault, so final.")
    in_flight: Units = Field(description="Of it, in batches that are not final.")
    available: Units = Field(description="Held and not in flight.")
    waiting: Units = Field(description="Approved payouts that are in no batch yet.")
    missing: Units = Field(description="What the vault lacks to pay all of it.")
    runway_seconds: int | None = Field(description="At the last day's rate; null when nothing was paid.")
    low: bool = Field(description="Something is missing, or it lasts less than six hours.")
    limit: RollingLimit | None = Field(description="Null before a lane of the vault has asked the chain.")
    top_up: TopUp
    seen_at: Seconds | None = Field(description="When the chain was asked for the limit.")
    livemode: bool
