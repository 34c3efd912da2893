"""Money as whole numbers: what an intent is priced in, and what a token contract counts in.

`Money` counts 10^-18 of a currency, so every token of up to 18 decimals converts into it exactly;
`TokenAmount` counts a contract's own base units. Nothing rounds: what does not fit is refused, and
only `display` cuts digits off, never adds.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Halted, Rejected

SCALE = 18
DISPLAY_DIGITS = 6
UINT256_MAX = 2**256 - 1

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})\.([0-9]{2,})")
_TOO_LARGE = re.compile(r"[1-9][0-9]{18,}\.[0-9]{2,}")
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]*)?")


class AmountOutOfRange(Halted):
    """An amount outside what a contract can hold; arithmetic somewhere is wrong."""

    def __init__(self, *, units: object) -> None:
        super().__init__(f"An amount must be a whole number from 0 to 2**256 - 1, not {units!r:.90}.")
        self.units = units


class AssetMismatch(Halted):
    """Amounts of two different assets were combined."""

    def __init__(self, *, left: object, right: object) -> None:
        super().__init__(f"Amounts of different assets were combined: {left} and {right}.")
        self.left = left
        self.right = right


@dataclass(frozen=True, slots=True)
class Asset:
    """A token by its only identity, chain and contract. decimals: 0 to 18."""

    chain_id: ChainId
    contract: Address
    currency: str
    decimals: int

    def __post_init__(self) -> None:
        if not 0 <= self.decimals <= SCALE:
            raise Rejected("token_unsupported", f"Tokens of 0 to {SCALE} decimals, not {self.decimals}.")

    def __str__(self) -> str:
        return f"{self.currency} eip155:{self.chain_id}/0x{self.contract.hex()}"


@dataclass(frozen=True, slots=True)
class Money:
    """An exact, non-negative amount of a currency. units: 10^-18 of it, never a float."""

    units: int
    currency: str

    def __post_init__(self) -> None:
        _require_whole(self.units)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.units + self._same(other).units, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.units - self._same(other).units, self.currency)

    def display(self) -> str:
        """The amount with six fraction digits, truncated."""
        return _decimal(self.units, SCALE)

    def to_token(self, asset: Asset, *, param: str | None = "amount") -> "TokenAmount":
        """The same amount in the token's base units, exactly.

        Raises: Rejected `amount_too_precise` when the token cannot express it, `amount_too_large`
        when its contract cannot hold it; AssetMismatch when the currency is another.
        """
        if asset.currency != self.currency:
            raise AssetMismatch(left=self.currency, right=asset)
        units, rest = divmod(self.units, 10 ** (SCALE - asset.decimals))
        if rest:
            raise Rejected("amount_too_precise", f"The token has {asset.decimals} decimals.", param=param)
        if units > UINT256_MAX:
            raise Rejected("amount_too_large", "The amount is more than the token can hold.", param=param)
        return TokenAmount(units, asset)

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise AssetMismatch(left=self.currency, right=other.currency)
        return other


@dataclass(frozen=True, slots=True)
class TokenAmount:
    """A whole number of an asset's base units, 0 <= units < 2**256, never a float."""

    units: int
    asset: Asset

    def __post_init__(self) -> None:
        _require_whole(self.units)
        if self.units > UINT256_MAX:
            raise AmountOutOfRange(units=self.units)

    def __add__(self, other: "TokenAmount") -> "TokenAmount":
        return TokenAmount(self.units + self._same(other).units, self.asset)

    def __sub__(self, other: "TokenAmount") -> "TokenAmount":
        return TokenAmount(self.units - self._same(other).units, self.asset)

    def to_money(self) -> Money:
        """The same amount of the asset's currency, exactly. May exceed 2**256 units."""
        return Money(self.units * 10 ** (SCALE - self.asset.decimals), self.asset.currency)

    def display(self) -> str:
        """The amount with six fraction digits, truncated."""
        return _decimal(self.units, self.asset.decimals)

    def _same(self, other: "TokenAmount") -> "TokenAmount":
        if other.asset != self.asset:
            raise AssetMismatch(left=self.asset, right=other.asset)
        return other


def parse_amount(
    text: object, currency: str, *, max_decimals: int = DISPLAY_DIGITS, param: str | None = "amount"
) -> Money:
    """The positive amount that `text` spells, e.g. "10.50": 2 to `max_decimals` fraction digits.

    Raises: Rejected with a code of its own for each way to be wrong: `amount_not_string`,
    `amount_decimal_point_required`, `amount_too_precise`, `amount_too_small`, `amount_too_large`,
    `parameter_invalid`. Nothing is rounded and nothing is guessed.
    """
    if not isinstance(text, str):
        raise Rejected("amount_not_string", 'Write the amount as a string: "10.50".', param=param)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise _why_not(text, param)
    whole, fraction = match.groups()
    if len(fraction) > max_decimals:
        raise Rejected(
            "amount_too_precise", f"At most {max_decimals} digits after the point are allowed.", param=param
        )
    units = int(whole) * 10**SCALE + int(fraction) * 10 ** (SCALE - len(fraction))
    if units == 0:
        raise Rejected("amount_too_small", "The amount must be more than zero.", param=param)
    return Money(units, currency)


def display_units(units: int, decimals: int) -> str:
    """`units` of a token with `decimals` decimals, with six fraction digits, truncated."""
    _require_whole(units)
    return _decimal(units, decimals)


def signed_units(units: int, decimals: int) -> str:
    """The same of an amount that may be negative; what is cut off brings it nearer to zero."""
    return f"{'-' if units < 0 else ''}{display_units(abs(units), decimals)}"


def _why_not(text: str, param: str | None) -> Rejected:
    if _NEGATIVE.fullmatch(text):
        return Rejected("amount_too_small", "The amount must be more than zero.", param=param)
    if _TOO_LARGE.fullmatch(text):
        return Rejected("amount_too_large", "At most 18 digits before the point are allowed.", param=param)
    if text.isascii() and text.isdigit():
        return Rejected(
            "amount_decimal_point_required",
            'The amount needs a decimal point and at least two digits after it: "10.50".',
            param=param,
        )
    return Rejected(
        "parameter_invalid",
        'Write the amount in digits only, a point and at least two digits after it: "10.50".',
        param=param,
    )


def _require_whole(units: object) -> None:
    if type(units) is not int or units < 0:
        raise AmountOutOfRange(units=units)


@lru_cache(maxsize=4096)
def _decimal(units: int, decimals: int) -> str:
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{str(rest).zfill(decimals)[:DISPLAY_DIGITS].ljust(DISPLAY_DIGITS, '0')}"
