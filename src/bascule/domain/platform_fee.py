"""The platform's fee: a share of what a merchant receives, and a fixed part once for each payment intent."""

from dataclasses import dataclass
from typing import NamedTuple

from bascule.domain.errors import Rejected
from bascule.domain.money import SCALE

BPS = 10_000
FIXED_MAX = 10 ** (SCALE + 6)  # a million of the currency: more was not meant


class Fee(NamedTuple):
    """A fee in base units of a token."""

    share: int
    fixed: int

    @property
    def amount(self) -> int:
        """Both parts."""
        return self.share + self.fixed


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What a merchant pays. bps: of what is credited; fixed: 10^-18 of the currency, once for each intent.

    Raises: Rejected `parameter_invalid`.
    """

    bps: int = 0
    fixed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bps <= BPS:
            raise Rejected("parameter_invalid", f"From 0 to {BPS} basis points.", param="bps")
        if not 0 <= self.fixed <= FIXED_MAX:
            raise Rejected("parameter_invalid", "From 0 to a million.", param="fixed")

    def of(self, gross: int, decimals: int, *, first: bool) -> Fee:
        """What is kept of `gross` base units. first: no fee was charged for the intent before.

        Both parts are rounded down to the token's base unit, the share first; the fixed part is what is left
        of the amount at most, so a merchant never pays for being paid.
        """
        share = gross * self.bps // BPS
        fixed = min(self.fixed // 10 ** (SCALE - decimals), gross - share) if first else 0
        return Fee(share, fixed)
