"""Quotes: a fiat price becomes an amount of a token, at a rate that stands until the quote ends.

Made of kept prices alone, in the caller's transaction: no source is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bascule.domain.errors import NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import DISPLAY_DIGITS, SCALE, Money, display_units, parse_amount
from bascule.domain.quote import FIAT_DIGITS, LOCK_S, require_usable, tokens_due
from bascule.domain.rates import Pair, Rate, Rules, agree, off_peg_bps, require_peg, spell
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import networks, quotes, rates, tokens
from bascule.storage.database import Connection
from bascule.storage.quotes import NewQuote, Quote, Said

NO_RULES = Rules({})


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """The parameters as they came. amount: of the fiat currency; lock_seconds: how long the rate stands."""

    amount: object
    currency: str
    to_currency: str
    lock_seconds: int = LOCK_S


@dataclass(frozen=True)
class Quotes:
    """Use-cases on quotes."""

    clock: Clock
    entropy: Entropy
    rules: Rules = field(default=NO_RULES)

    async def create(
        self, conn: Connection, *, account_id: str, livemode: bool, request: QuoteRequest
    ) -> dict[str, Any]:
        """A new quote. Raises: Rejected; Conflict when no rate is known well enough or the peg is lost."""
        pair = Pair(request.to_currency, request.currency)
        fiat = parse_amount(request.amount, pair.fiat, max_decimals=FIAT_DIGITS)
        if pair not in self.rules.sources:
            known = ", ".join(sorted(map(str, self.rules.sources))) or "none"
            raise Rejected(
                "pair_unsupported", f"No source says what {pair} is; known: {known}.", param="currency"
            )
        digits = await _digits(conn, pair.currency, livemode=livemode)
        now = self.clock.now()
        rate, peg = await self._rates(conn, pair, now)
        due = tokens_due(fiat, rate.units, pair.currency, digits)
        new = NewQuote(
            id=new_id(Prefix.QUOTE, self.clock, self.entropy),
            account_id=account_id,
            livemode=livemode,
            fiat=pair.fiat,
            amount=fiat.units,
            currency=pair.currency,
            due=due.units,
            price=rate.units,
            peg_fiat=None if peg is None else peg.pair.fiat,
            peg_price=None if peg is None else peg.units,
            lock_expires_at=now.replace(microsecond=0) + timedelta(seconds=request.lock_seconds),
            created_at=now,
        )
        said = {**rate.verdicts, **({} if peg is None else peg.verdicts)}
        await quotes.insert(conn, new, {price.reading: str(verdict) for price, verdict in said.items()})
        return (await self.describe(conn, [new.id]))[0]

    async def describe(self, conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Those of `ids` that exist, in their order, as the API shows them."""
        now, said = self.clock.now(), await quotes.said_for(conn, ids)
        return [_shown(each, said[each.id], now) for each in await quotes.get_many(conn, ids)]

    async def own(self, conn: Connection, quote_id: str, account_id: str, livemode: bool) -> dict[str, Any]:
        """The account's quote as the API shows it. Raises: NotFound, also when it is another's."""
        found = await quotes.get_many(conn, [quote_id])
        if not found or (found[0].account_id, found[0].livemode) != (account_id, livemode):
            raise NotFound("resource_missing", f"No such quote: {quote_id!r:.70}.", param="id")
        return (await self.describe(conn, [quote_id]))[0]

    async def _rates(self, conn: Connection, pair: Pair, now: datetime) -> tuple[Rate, Rate | None]:
        """The pair's rate, and that of the token's peg, which holds."""
        rate = await self._rate(conn, pair, now)
        of_peg = self.rules.peg_of(pair.currency)
        if of_peg is None:
            return rate, None
        peg = rate if of_peg == pair else await self._rate(conn, of_peg, now)
        require_peg(peg, self.rules.peg_bound_bps)
        return rate, peg

    async def _rate(self, conn: Connection, pair: Pair, now: datetime) -> Rate:
        prices = await rates.newest_prices(conn, pair, self.rules.sources.get(pair, ()))
        return agree(pair, prices, self.rules, now)


async def use(conn: Connection, quote_id: str, account_id: str, livemode: bool, now: datetime) -> Quote:
    """The account's quote, for one intent; others that want it wait until the transaction ends.

    Raises: NotFound, also when it is another's; Conflict `quote_expired` or `quote_used`.
    """
    found = await quotes.lock(conn, quote_id)
    if found is None or (found.account_id, found.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such quote: {quote_id!r:.70}.", param="quote")
    require_usable(expired=now >= found.lock_expires_at, payment_intent=found.payment_intent)
    return found


async def _digits(conn: Connection, currency: str, *, livemode: bool) -> int:
    """So many fraction digits every token of the currency has that a new intent may accept."""
    mine = {network.chain_id for network in await networks.every(conn) if network.livemode == livemode}
    found = [
        token.decimals
        for token in await tokens.every(conn)
        if token.payable and token.chain_id in mine and token.currency == currency
    ]
    if not found:
        raise Rejected(
            "currency_unsupported", f"No accepted token has the currency {currency!r:.30}.",
            param="to_currency",
        )  # fmt: skip
    return min(DISPLAY_DIGITS, *found)


def _shown(quote: Quote, said: Sequence[Said], now: datetime) -> dict[str, Any]:
    status = "used" if quote.payment_intent else "expired" if now >= quote.lock_expires_at else "open"
    return {
        "id": quote.id,
        "object": "quote",
        "amount": _fiat(Money(quote.amount, quote.fiat)),
        "currency": quote.fiat,
        "to_amount": display_units(quote.due, SCALE),
        "to_currency": quote.currency,
        "rate": spell(quote.price),
        "peg": _peg(quote),
        "sources": [_source(each) for each in said],
        "status": status,
        "payment_intent": quote.payment_intent,
        "lock_expires_at": int(quote.lock_expires_at.timestamp()),
        "livemode": quote.livemode,
        "created": int(quote.created_at.timestamp()),
    }


def _peg(quote: Quote) -> Mapping[str, Any] | None:
    if quote.peg_fiat is None or quote.peg_price is None:
        return None
    off = off_peg_bps(quote.peg_price)
    return {"currency": quote.peg_fiat, "rate": spell(quote.peg_price), "off_bps": off}


def _source(said: Said) -> dict[str, Any]:
    return {
        "source": said.source,
        "pair": str(said.pair),
        "rate": spell(said.price),
        "verdict": said.verdict,
        "as_of": int(said.as_of.timestamp()),
        "asked_at": int(said.asked_at.timestamp()),
    }


def _fiat(amount: Money) -> str:
    """Two fraction digits: no more were taken."""
    return amount.display()[: FIAT_DIGITS - DISPLAY_DIGITS]
