"""An authorization (EIP-3009): what a payer signed, so that anybody may have the token move the money.

Times are unix seconds; the token takes it in blocks later than `valid_after` and earlier than `valid_before`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.machine import Machine
from bascule.domain.typed_data import Struct, digest

# The lane `CHAIN/x402` presents them; its wallet bears the same name.
LANE: Final = "x402"
# USDC behind its proxy takes about 85,000 to an address that held nothing; what is not used is not paid.
GAS: Final = 150_000
IN_FLIGHT: Final = 16  # nonces on their way at once; every node's pool keeps as many of one wallet
SPARE_S: Final = 6  # seconds that must be left when it is accepted, as x402's own facilitators ask for
LOOK_AGAIN: Final = timedelta(seconds=5)  # after a simulation that failed; at the least
AFTER_REFUSAL: Final = timedelta(minutes=10)  # each costs the gas of a filled nonce
DAY: Final = timedelta(days=1)  # over which gas is counted

Failure = Literal["expired", "nonce_used"]

# https://eips.ethereum.org/EIPS/eip-3009
STRUCT = Struct(
    "TransferWithAuthorization",
    (
        ("from", "address"),
        ("to", "address"),
        ("value", "uint256"),
        ("validAfter", "uint256"),
        ("validBefore", "uint256"),
        ("nonce", "bytes32"),
    ),
)


class AuthorizationState(StrEnum):
    PENDING = "pending"
    INCLUDED = "included"
    SETTLED = "settled"
    FAILED = "failed"


class AuthorizationEvent(StrEnum):
    INCLUDE = "include"
    ORPHAN = "orphan"
    FINALIZE = "finalize"
    FAIL = "fail"


S, E = AuthorizationState, AuthorizationEvent

AUTHORIZATION = Machine(
    "authorization",
    AuthorizationState,
    AuthorizationEvent,
    initial=(S.PENDING,),
    table={
        (S.PENDING, E.INCLUDE): S.INCLUDED,
        (S.INCLUDED, E.ORPHAN): S.PENDING,
        (S.INCLUDED, E.FINALIZE): S.SETTLED,
        (S.PENDING, E.FAIL): S.FAILED,
    },
    sentences={
        S.PENDING: "The payer's signature is kept; whether it pays is not known yet.",
        S.INCLUDED: "The token moved the money in a block of the canonical chain, whoever presented it.",
        S.SETTLED: "Its deposit is final and booked.",
        S.FAILED: "At a final block it can never pay: its time is over, or its nonce was used otherwise.",
    },
)


def look_again(age: timedelta) -> timedelta:
    """After how long one that cannot be presented now is tried again: the older, the later."""
    return max(LOOK_AGAIN, age / 10)


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """The EIP-712 name and version under which a token's holders sign, besides its chain and contract."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the payer signed. amount: base units; nonce: 32 bytes of the payer's choice."""

    payer: Address
    pay_to: Address
    amount: int
    valid_after: int
    valid_before: int
    nonce: bytes

    def digest(self, chain_id: ChainId, token: Address, domain: SigningDomain) -> Hash:
        """The 32 bytes that the payer's key signs."""
        struct = STRUCT.hash(
            self.payer, self.pay_to, self.amount, self.valid_after, self.valid_before, self.nonce
        )
        return digest(struct, chain_id, token, domain.name, domain.version)

    def untimely(self, now: int) -> Literal["early", "late"] | None:
        """Why it is not to be presented now; None while there is time enough."""
        if self.valid_before < now + SPARE_S:
            return "late"
        return "early" if self.valid_after > now else None
