"""A payment intent: money asked for, and how the asking is going.

The state is a function of the canonical transfers and of time; flags stand beside it and are
computed anew each time, never added to.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Rejected
from bascule.domain.machine import Machine
from bascule.domain.money import Money


class IntentState(StrEnum):
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class IntentEvent(StrEnum):
    COVER = "cover"
    UNCOVER = "uncover"
    SETTLE = "settle"
    CANCEL = "cancel"
    CLOSE = "close"


class Flag(StrEnum):
    """What else is true of an intent, beside its state."""

    PARTIALLY_PAID = "partially_paid"
    UNDERPAID_ACCEPTED = "underpaid_accepted"
    OVERPAID = "overpaid"
    LATE = "late"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a flag, not a secret
    WRONG_CHAIN = "wrong_chain"
    REORGED = "reorged"
    REVERSED = "reversed"
    HELD = "held"


S, E = IntentState, IntentEvent

PAYMENT_INTENT = Machine(
    "payment_intent",
    IntentState,
    IntentEvent,
    initial=(S.REQUIRES_ACTION,),
    table={
        (S.REQUIRES_ACTION, E.COVER): S.PROCESSING,
        (S.PROCESSING, E.UNCOVER): S.REQUIRES_ACTION,
        (S.PROCESSING, E.SETTLE): S.SUCCEEDED,
        (S.REQUIRES_ACTION, E.CANCEL): S.CANCELED,
        (S.REQUIRES_ACTION, E.CLOSE): S.CANCELED,
    },
    sentences={
        S.REQUIRES_ACTION: "Less money than asked for has been seen; the payer has to act.",
        S.PROCESSING: "Enough money is on the canonical chain, and not all of it is final yet.",
        S.SUCCEEDED: "Enough money is booked, or as certain as the merchant asked; this stands for ever.",
        S.CANCELED: "The merchant called it off, or it closed unpaid; later money stays unapplied.",
    },
)

BPS = 10_000


@dataclass(frozen=True, slots=True)
class IntentTerms:
    """What a payer was promised; fixed when the intent is made.

    accepted: (chain id, token contract) pairs, the only money that counts.
    underpay_tolerance_bps, underpay_tolerance_abs: how much may be missing, the larger of a share of
    `due` in 1/10,000 and an amount in 10^-18 units; a share is rounded down.
    late: what becomes of money after expires_at; overpay: of what exceeds `due`.
    Money in blocks later than closes_at never counts.
    Raises: Rejected `parameter_invalid`.
    """

    due: Money
    accepted: frozenset[tuple[ChainId, Address]]
    underpay_tolerance_bps: int
    underpay_tolerance_abs: int
    late: Literal["accept", "hold"]
    overpay: Literal["hold", "keep"]
    expires_at: datetime
    closes_at: datetime

    def __post_init__(self) -> None:
        assert self.expires_at.tzinfo is not None, "moments carry their time zone"
        assert self.closes_at.tzinfo is not None, "moments carry their time zone"
        if self.due.units == 0:
            raise Rejected("amount_too_small", "The amount must be more than zero.", param="amount")
        if not self.accepted:
            raise Rejected("parameter_invalid", "At least one token must be accepted.", param="accepted")
        if not 0 <= self.underpay_tolerance_bps <= BPS:
            raise Rejected(
                "parameter_invalid", f"From 0 to {BPS} basis points.", param="policy.underpay_tolerance_bps"
            )
        if self.underpay_tolerance_abs < 0:
            raise Rejected("parameter_invalid", "Not negative.", param="policy.underpay_tolerance_abs")
        if self.closes_at < self.expires_at:
            raise Rejected("parameter_invalid", "Not before expires_at.", param="closes_at")


def threshold(terms: IntentTerms) -> int:
    """The smallest sum, in 10^-18 units, that covers the intent: due less tolerance, at least 1."""
    share = terms.due.units * terms.underpay_tolerance_bps // BPS
    return max(1, terms.due.units - max(share, terms.underpay_tolerance_abs))
