"""Rates: what one token costs in a fiat currency, as several sources say it.

A price is a whole number of 10^-18 of the fiat currency for one token. It is always one that a source said:
nothing is averaged, and where two stand in the middle the lower one is taken, which asks for more tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from bascule.domain.errors import Conflict
from bascule.domain.money import SCALE

ONE = 10**SCALE
BPS = 10_000
_DIGITS_MAX = 9  # before the point; no currency we know is further from another
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


class PriceRefused(ValueError):
    """What a source says cannot be a price; the words say why."""


class Pair(NamedTuple):
    """A token's currency and the fiat currency it is priced in."""

    currency: str
    fiat: str

    def __str__(self) -> str:
        return f"{self.currency}/{self.fiat}"


class Verdict(StrEnum):
    """What became of a source's newest price."""

    AGREED = "agreed"
    OUTLIER = "outlier"
    STALE = "stale"


class Price(NamedTuple):
    """A source's newest price. units: 10^-18 of the fiat currency; as_of: when it was true."""

    reading: int
    source: str
    units: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """How prices become a rate.

    sources: those that are asked, by pair; a majority of them must be fresh and agree.
    max_age: an older price counts for nothing; spread_bps: how far from the middle a source may stand.
    pegs: what a stablecoin is meant to be worth one of; peg_bound_bps: how far off it may be.
    """

    sources: Mapping[Pair, Sequence[str]]
    max_age: timedelta = timedelta(seconds=60)
    spread_bps: int = 100
    pegs: Mapping[str, str] | None = None
    peg_bound_bps: int = 200

    def peg_of(self, currency: str) -> Pair | None:
        """The pair that shows whether the token keeps its peg."""
        fiat = (self.pegs or {}).get(currency)
        return None if fiat is None else Pair(currency, fiat)


@dataclass(frozen=True, slots=True)
class Rate:
    """What the sources agree on, with what became of each price."""

    pair: Pair
    units: int
    verdicts: Mapping[Price, Verdict]


def read_price(text: str) -> int:
    """The price a source spells, digits beyond 10^-18 cut off. Raises: PriceRefused."""
    if not _NUMBER.fullmatch(text):
        raise PriceRefused("not a plain number above 0")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise PriceRefused("not a plain number above 0") from None
    if number.is_zero() or number.adjusted() < -SCALE:
        raise PriceRefused("not above 0")
    if number.adjusted() >= _DIGITS_MAX:
        raise PriceRefused("larger than any price")
    return int(Fraction(number) * ONE)


def spell(units: int) -> str:
    """A price as a decimal string with all its digits, at least two."""
    whole, rest = divmod(units, ONE)
    return f"{whole}.{str(rest).zfill(SCALE).rstrip('0').ljust(2, '0')}"


def agree(pair: Pair, prices: Sequence[Price], rules: Rules, now: datetime) -> Rate:
    """The rate of a pair. prices: at most one of a source.

    Raises: Conflict `rate_unavailable`, `rate_stale` or `rates_disagree`; while a majority of the sources is
    honest, what the others say moves the rate only between what the honest say.
    """
    asked = rules.sources.get(pair, ())
    known = sorted((price for price in prices if price.source in asked), key=lambda price: price.units)
    needed = len(asked) // 2 + 1
    if len(known) < needed:
        raise Conflict("rate_unavailable", f"Too few sources have said what {pair} is.", next_step=_LATER)
    fresh = [price for price in known if now - price.as_of <= rules.max_age]
    if len(fresh) < needed:
        raise Conflict("rate_stale", f"The newest prices of {pair} are too old.", next_step=_LATER)
    middle = _middle(fresh)
    agreed = [price for price in fresh if abs(price.units - middle) * BPS <= rules.spread_bps * middle]
    if len(agreed) < needed:
        raise Conflict("rates_disagree", f"The sources disagree about {pair}.", next_step=_LATER)
    verdicts = {
        price: Verdict.AGREED if price in agreed else Verdict.OUTLIER if price in fresh else Verdict.STALE
        for price in known
    }
    return Rate(pair, _middle(agreed), verdicts)


def off_peg_bps(units: int) -> int:
    """How far a price is from one, in 1/10,000, rounded up."""
    return int(-(-abs(units - ONE) * BPS // ONE))


def require_peg(rate: Rate, bound_bps: int) -> None:
    """Raises: Conflict `token_off_peg` when the token is further from its peg than the bound."""
    off = off_peg_bps(rate.units)
    if off > bound_bps:
        raise Conflict(
            "token_off_peg",
            f"One {rate.pair.currency} is {spell(rate.units)} {rate.pair.fiat}: {off} bps off its peg, more "
            f"than {bound_bps}.",
            param="to_currency",
            next_step="Ask for another token, or again when it is back at its peg.",
        )


_LATER = "Ask again in a moment."


def _middle(prices: Sequence[Price]) -> int:
    """The median of sorted prices, the lower one of two."""
    return prices[(len(prices) - 1) // 2].units
