"""Sources of rates behind one interface: a fixed price, or a JSON answer over HTTP.

A source never raises for what the world does: what it said is kept as it came, with why it is no price.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol, Self

import aiohttp

from bascule.domain.rates import Pair, PriceRefused, read_price, spell

TIMEOUT_S = 5.0
ANSWER_MAX = 64 * 1024
RAW_MAX = 1000  # characters of what a source said that are kept
AHEAD = timedelta(minutes=1)  # how far a source's clock may be ahead of ours
_MILLISECONDS = 10**11  # a moment in seconds is smaller until the year 5138


class Said(NamedTuple):
    """An answer as it came. price: 10^-18 of the fiat currency; as_of: when the source says it was true."""

    raw: str
    price: int | None = None
    as_of: datetime | None = None
    refusal: str | None = None


class RateSource(Protocol):
    """Says what one token costs. pairs: what it is asked for."""

    @property
    def name(self) -> str: ...

    @property
    def pairs(self) -> Sequence[Pair]: ...

    async def ask(self, pair: Pair, now: datetime) -> Said: ...


@dataclass(frozen=True)
class FixedRates:
    """Prices that the operator wrote down. prices: 10^-18 of the fiat currency for one token."""

    name: str
    prices: Mapping[Pair, int]

    @property
    def pairs(self) -> Sequence[Pair]:
        """The pairs that have a price."""
        return list(self.prices)

    async def ask(self, pair: Pair, now: datetime) -> Said:
        """The price, true now."""
        return Said(spell(self.prices[pair]), self.prices[pair], now)


@dataclass
class HttpRates:
    """A JSON answer over HTTP. url: with {currency} and {fiat}, or their {CURRENCY} and {FIAT} in capitals.

    price: where the price stands, names and places separated by points; time: where its moment stands (unix
    seconds or milliseconds, or ISO 8601), None: it is true when we ask. `guard` refuses to ask inside an open
    transaction.
    """

    name: str
    pairs: Sequence[Pair]
    url: str
    price: str
    time: str | None
    guard: Callable[[], None]
    timeout_s: float = TIMEOUT_S
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, pair: Pair, now: datetime) -> Said:
        """What the address answers now; whatever goes wrong is a refusal in words."""
        self.guard()
        assert self._session is not None, "entered before it is asked"
        try:
            async with self._session.get(self._url(pair), allow_redirects=False) as response:
                body = await response.content.read(ANSWER_MAX + 1)
                while len(body) <= ANSWER_MAX and not response.content.at_eof():
                    body += await response.content.read(ANSWER_MAX + 1 - len(body))
                status = response.status
        except TimeoutError:
            return Said("", refusal="no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Said("", refusal=f"no valid answer: {type(error).__name__}")
        raw = body[: RAW_MAX * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")[:RAW_MAX]
        if status != 200:
            return Said(raw, refusal=f"status {status}")
        if len(body) > ANSWER_MAX:
            return Said(raw, refusal=f"more than {ANSWER_MAX // 1024} KiB")
        return self._read(body, raw, now)

    def _url(self, pair: Pair) -> str:
        names = {"currency": pair.currency, "fiat": pair.fiat}
        return self.url.format(**names, **{name.upper(): text.upper() for name, text in names.items()})

    def _read(self, body: bytes, raw: str, now: datetime) -> Said:
        try:
            answer = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            return Said(raw, refusal="not JSON")
        try:
            as_of = now if self.time is None else _moment(_at(answer, self.time))
            if as_of > now + AHEAD:
                raise PriceRefused("from the future")
            return Said(raw, read_price(_text(_at(answer, self.price))), min(as_of, now))
        except PriceRefused as error:
            return Said(raw, refusal=str(error))


def _at(answer: Any, path: str) -> Any:
    """What stands at a place of a JSON value. Raises: PriceRefused."""
    for part in path.split("."):
        try:
            answer = answer[int(part) if isinstance(answer, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise PriceRefused(f"nothing stands at {path}") from None
    return answer


def _text(value: Any) -> str:
    """A number or text of the answer; numbers were left as they are spelled."""
    if not isinstance(value, str) or len(value) > 100:
        raise PriceRefused("not a plain number above 0")
    return value


def _moment(value: Any) -> datetime:
    text = _text(value)
    try:
        seconds = Decimal(text)
        if seconds >= _MILLISECONDS:
            seconds /= 1000
        return datetime.fromtimestamp(float(seconds), UTC)
    except InvalidOperation:
        pass
    except (ValueError, OverflowError, OSError):
        raise PriceRefused("not a moment") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise PriceRefused("not a moment") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
