"""A mandate: what may go out by itself, to whom, in which token and up to how much, as approvers sign it."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.authority import Update
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Rejected
from bascule.domain.typed_data import Struct

CLAIMANT = "claimant"
KINDS = ("refund", "settlement")


@dataclass(frozen=True, slots=True)
class Mandate(Update):
    """Approvers' word for many payouts, in the domain of the vault that pays them.

    destination: an address with its checksum, or `claimant`: whoever claims, bounded by the caps alone;
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
        if not 0 < self.max_per_item <= self.max_per_day < 2**256:
            raise Rejected("mandate_invalid", "An item is more than a day, or nothing.", param="max_per_item")
        if not 0 <= self.expiry < 2**64:
            raise Rejected("mandate_invalid", "The expiry is out of range.", param="expiry")

    def covers(self, to: Address) -> bool:
        """Whether it pays to this address."""
        return self.destination in (CLAIMANT, checksum(to))
