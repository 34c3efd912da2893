"""The shape of a quote, for the OpenAPI document; tests hold every answer against it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bascule.entrypoints.api.shape import Decimal6, Seconds, Shape

Decimal2 = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]{2}$")]
RateOut = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+\.[0-9]{2,18}$"),
    Field(description="What one token costs, with all its digits."),
]


class QuoteSource(Shape):
    """What one source said, and what became of it."""

    source: str
    pair: str
    rate: RateOut
    verdict: Literal["agreed", "outlier", "stale"]
    as_of: Seconds
    asked_at: Seconds


class QuotePeg(Shape):
    """How the stablecoin stood to its peg. off_bps: in hundredths of a per cent, rounded up."""

    currency: str
    rate: RateOut
    off_bps: int


class Quote(Shape):
    """A price in a fiat currency as an amount of a token, at a rate that is locked for a while."""

    id: str
    object: Literal["quote"]
    amount: Decimal2
    currency: str
    to_amount: Decimal6 = Field(description="Rounded up to the last digit that the tokens have.")
    to_currency: str
    rate: RateOut
    peg: QuotePeg | None = Field(description="Null for a token without a peg.")
    sources: list[QuoteSource]
    status: Literal["open", "used", "expired"]
    payment_intent: str | None
    lock_expires_at: Seconds
    livemode: bool
    created: Seconds
