"""Reader of `rates`: what tokens cost, who says so, and how much of that is believed.

As in `settings.parse`, a reader raises ValueError with words that follow the setting's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

from bascule.domain.rates import Pair, PriceRefused, read_price
from bascule.settings import tables

_PAIR = re.compile(r"([a-z0-9]{2,12})/([a-z]{3})")
_PLACES = {"currency", "fiat", "CURRENCY", "FIAT"}
PEGS = {"usdc": "usd", "usdt": "usd", "pyusd": "usd", "eurc": "eur"}
FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A source that is asked over HTTP; url, price and time as in `services.rate_sources.HttpRates`."""

    name: str
    url: str = field(repr=False)  # may carry a key
    pairs: tuple[Pair, ...]
    price: str
    time: str | None


@dataclass(frozen=True, slots=True)
class FixedSource:
    """Prices the operator wrote down, in 10^-18 of the fiat currency for one token."""

    name: str
    prices: Mapping[Pair, int]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that have a price."""
        return tuple(self.prices)


@dataclass(frozen=True, slots=True)
class RatesSettings:
    """Who says what tokens cost, and how much of that is believed.

    interval_s: between looks; max_age_s: how old a price may be; spread_bps: how far from the middle a source
    may stand; peg_bound_bps: how far off its peg a token may be; timeout_s: how long a source may take.
    """

    sources: tuple[HttpSource | FixedSource, ...] = ()
    interval_s: int = 15
    max_age_s: int = 60
    spread_bps: int = 100
    peg_bound_bps: int = 200
    timeout_s: int = 5
    pegs: Mapping[str, str] = field(default_factory=lambda: dict(PEGS))

    def __str__(self) -> str:
        names = ", ".join(source.name for source in self.sources)
        return f"{names}; every {self.interval_s} s, at most {self.max_age_s} s old"

    def asked(self) -> dict[Pair, list[str]]:
        """Which sources say something about a pair."""
        found: dict[Pair, list[str]] = {}
        for source in self.sources:
            for pair in source.pairs:
                found.setdefault(pair, []).append(source.name)
        return found


def rates(given: Any) -> RatesSettings:
    """A table in the file; in the environment `PAIR=PRICE` words, which are one fixed source."""
    if isinstance(given, str):
        return _checked(RatesSettings((FixedSource(FIXED, _prices(given)),)))
    bounds = {
        "interval_s": (1, 3600), "max_age_s": (1, 86_400), "spread_bps": (0, 10_000),
        "peg_bound_bps": (0, 10_000), "timeout_s": (1, 60),
    }  # fmt: skip
    table = tables.table(given, required=("sources",), optional=("pegs", *bounds))
    default = RatesSettings()
    whole = {
        key: tables.whole(table, key, low, high, default=getattr(default, key))
        for key, (low, high) in bounds.items()
    }
    sources = tuple(_source(each) for each in tables.items(table, "sources"))
    return _checked(RatesSettings(sources, pegs=_pegs(table.get("pegs", PEGS)), **whole))


def _checked(found: RatesSettings) -> RatesSettings:
    names = [source.name for source in found.sources]
    if not names:
        raise ValueError("has no sources")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"has the source {twice[0]!r} twice")
    asked = found.asked()
    for pair in asked:
        peg = found.pegs.get(pair.currency)
        if peg is not None and Pair(pair.currency, peg) not in asked:
            raise ValueError(
                f"has no source of {pair.currency}/{peg}, which shows whether {pair.currency} keeps its peg"
            )
    if found.max_age_s <= found.interval_s:
        raise ValueError(f"lets a price be {found.max_age_s} s old and looks every {found.interval_s} s only")
    return found


def _source(given: Any) -> HttpSource | FixedSource:
    if isinstance(given, dict) and "prices" in given:
        table = tables.table(given, required=("name", "prices"))
        return FixedSource(tables.word(table, "name"), _prices(tables.word(table, "prices")))
    table = tables.table(given, required=("name", "url", "pairs", "price"), optional=("time",))
    pairs = tuple(_pair(each) for each in tables.items(table, "pairs"))
    if not pairs or len(set(pairs)) != len(pairs):
        raise ValueError("has a source with no pairs, or with one twice")
    time = tables.word(table, "time") if "time" in table else None
    return HttpSource(tables.word(table, "name"), _url(table), pairs, tables.word(table, "price"), time)


def _url(table: Mapping[str, Any]) -> str:
    """https, or http on this machine: whoever can change an answer on its way sets our prices."""
    url = tables.word(table, "url")
    try:
        places = {name for _, name, _, _ in Formatter().parse(url) if name is not None}
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"has an url of {url!r}, which is none") from None
    if not places <= _PLACES:
        raise ValueError(f"has an url with {{{min(places - _PLACES)}}}; known: {', '.join(sorted(_PLACES))}")
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.hostname is None or not (parts.scheme == "https" or (local and parts.scheme == "http")):
        raise ValueError(f"has an url of {url!r}, neither https nor of this machine")
    return url


def _prices(text: str) -> dict[Pair, int]:
    found: dict[Pair, int] = {}
    for word in re.split(r"[\s,]+", text.strip()):
        name, separator, price = word.partition("=")
        if not separator:
            raise ValueError(f"has {word!r} where PAIR=PRICE belongs")
        pair = _pair(name)
        if pair in found:
            raise ValueError(f"has a price of {pair} twice")
        try:
            found[pair] = read_price(price)
        except PriceRefused as refused:
            raise ValueError(f"has a price of {price!r} for {pair}: {refused}") from None
    return found


def _pair(given: Any) -> Pair:
    match = _PAIR.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise ValueError(f"has a pair of {given!r}, not one such as usdc/eur")
    return Pair(match[1], match[2])


def _pegs(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise ValueError(f'has pegs of {given!r} where a table such as {{ usdc = "usd" }} belongs')
    return {pair.currency: pair.fiat for pair in (_pair(f"{key}/{fiat}") for key, fiat in given.items())}
