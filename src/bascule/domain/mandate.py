"""A mandate: what may go out by itself, to whom, in which token and up to how much, as approvers sign it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, get_args

from bascule.domain.authority import Update
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.machine import Machine
from bascule.domain.typed_data import Struct

CLAIMANT = "claimant"
Kind = Literal["payout", "refund", "settlement"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Mandate(Update):
    """Approvers' word for many payouts, in the domain of the vault that pays them.

    destination: an address with its checksum, or `claimant`: whoever claims a refund, within the caps alone;
    amounts in base units of the token, a day is any 24 hours; expiry: unix seconds, inclusive.
    Raises: Rejected `mandate_invalid`.
    """

    STRUCT = Struct(
        "Mandate",
        (
            ("account", "string"),
            ("mandate", "string"),
            ("kind", "string"),
            ("destination", "string"),
            ("token", "address"),
            ("maxPerItem", "uint256"),
            ("maxPerDay", "uint256"),
            ("expiry", "uint256"),
        ),
    )
    account: str
    mandate: str
    kind: str
    destination: str
    token: Address
    max_per_item: int
    max_per_day: int
    expiry: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Rejected("mandate_invalid", f"A mandate is for {' or '.join(KINDS)}.", param="kind")
        if self.destination == CLAIMANT and self.kind != "refund":
            raise Rejected("mandate_invalid", "Only refunds go to whoever claims.", param="to")
        if not 0 < self.max_per_item <= self.max_per_day < 2**256:
            raise Rejected("mandate_invalid", "An item is more than a day, or nothing.", param="max_per_item")
        if not 0 <= self.expiry < 2**64:
            raise Rejected("mandate_invalid", "The expiry is out of range.", param="expiry")

    def covers(self, to: Address) -> bool:
        """Whether it pays to this address."""
        return self.destination in (CLAIMANT, checksum(to))


class MandateState(StrEnum):
    REQUIRES_ACTION = "requires_action"
    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class MandateEvent(StrEnum):
    APPROVE = "approve"
    REVOKE = "revoke"
    EXPIRE = "expire"


S, E = MandateState, MandateEvent

MANDATE = Machine(
    "mandate",
    MandateState,
    MandateEvent,
    initial=(S.REQUIRES_ACTION,),
    table={
        (S.REQUIRES_ACTION, E.APPROVE): S.ACTIVE,
        (S.REQUIRES_ACTION, E.REVOKE): S.REVOKED,
        (S.REQUIRES_ACTION, E.EXPIRE): S.EXPIRED,
        (S.ACTIVE, E.REVOKE): S.REVOKED,
        (S.ACTIVE, E.EXPIRE): S.EXPIRED,
    },
    sentences={
        S.REQUIRES_ACTION: "Approvers have to sign it; nothing goes out under it.",
        S.ACTIVE: "Payouts that name it need no approvals of their own, within its caps and until it ends.",
        S.REVOKED: "Somebody called it off; what named it and was not reserved asks for approvals.",
        S.EXPIRED: "Its time is over; what names it asks for approvals.",
    },
)


@dataclass(frozen=True, slots=True)
class Use:
    """A payout that wants to go out under a mandate.

    amount: base units; spent: of other payouts under it in 24 hours; signed: how many people signed it whose
    approval would count for this payout; required: how many policy asks for.
    """

    amount: int
    spent: int
    signed: int
    required: int
    at: datetime


def lacks(state: MandateState, expires_at: datetime, per_item: int, per_day: int, use: Use) -> Iterator[str]:
    """Each reason why the payout needs approvals of its own all the same; a cap itself is allowed."""
    if state is not S.ACTIVE:
        yield "not approved yet" if state is S.REQUIRES_ACTION else str(state)
    elif expires_at <= use.at:
        yield str(S.EXPIRED)
    if use.amount > per_item:
        yield "its cap of one payout is less"
    if use.spent + use.amount > per_day:
        yield "its cap of 24 hours is used up"
    if state is S.ACTIVE and use.signed < use.required:
        yield f"signed by {use.signed} who may approve this, and policy asks for {use.required}"
