"""A refund: money of a payment that goes back, to an address its customer names or proves to be theirs."""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from bascule.domain.authority import Update
from bascule.domain.chain import Address
from bascule.domain.machine import Machine
from bascule.domain.typed_data import Struct

CLAIM_LIFE = timedelta(days=30)  # of a link, unless asked for otherwise
CLAIM_SHORTEST, CLAIM_LONGEST = timedelta(hours=1), timedelta(days=90)
LOOK_AGAIN = timedelta(seconds=10)  # after which a refund that waits is tried again
TOKEN_LETTERS = 52  # of base 32, for 256 bits


class RefundState(StrEnum):
    REQUIRES_ACTION = "requires_action"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class RefundEvent(StrEnum):
    CLAIM = "claim"
    CANCEL = "cancel"
    EXPIRE = "expire"
    SUCCEED = "succeed"
    FAIL = "fail"


S, E = RefundState, RefundEvent

REFUND = Machine(
    "refund",
    RefundState,
    RefundEvent,
    initial=(S.REQUIRES_ACTION, S.PENDING),
    table={
        (S.REQUIRES_ACTION, E.CLAIM): S.PENDING,
        (S.REQUIRES_ACTION, E.CANCEL): S.CANCELED,
        (S.REQUIRES_ACTION, E.EXPIRE): S.CANCELED,
        (S.PENDING, E.CANCEL): S.CANCELED,
        (S.PENDING, E.SUCCEED): S.SUCCEEDED,
        (S.PENDING, E.FAIL): S.FAILED,
    },
    sentences={
        S.REQUIRES_ACTION: "The customer has to say where the money goes, by the claim link.",
        S.PENDING: "The address stands; it cools off, waits for money or people, or is being paid.",
        S.SUCCEEDED: "Its payout is final; the money is at the customer.",
        S.FAILED: "Its payout ended without paying; the amount can be refunded anew.",
        S.CANCELED: "The merchant called it off, or nobody claimed it in time; nothing was paid.",
    },
)


def payout_identity(of: str, place: int) -> str:
    """What names the payout of the first, second, … refund of a payment or a deposit.

    The database gives it to a new refund; one that lost the refund knows it.
    """
    return f"refund:{of}:{place}"


def claim_token(pepper: bytes, refund_id: str) -> str:
    """The secret in a claim link, always the same for a refund; only who has the pepper can tell it."""
    digest = hmac.digest(pepper, b"refund claim " + refund_id.encode(), "sha256")
    return b32encode(digest).decode().rstrip("=").lower()


def claim_hash(token: str) -> bytes:
    """What is kept of a claim token."""
    return sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class RefundDestination(Update):
    """What a payer signs, in the domain of the vault that pays, to be refunded to an address.

    payment_intent: what it is of, by its id, also where that is a deposit; amount: base units of the token.
    """

    STRUCT = Struct(
        "RefundDestination",
        (("paymentIntent", "string"), ("token", "address"), ("to", "address"), ("amount", "uint256")),
    )
    payment_intent: str
    token: Address
    to: Address
    amount: int
