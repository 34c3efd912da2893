"""Quotes and the prices they were made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from bascule.domain.rates import Pair
from bascule.storage.arrays import numbers, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("quotes")
_AMOUNTS = ("amount", "due", "price", "peg_price")


@dataclass(frozen=True, slots=True)
class NewQuote:
    """amount, due: 10^-18 of fiat and of the token's currency; price, peg_price: 10^-18 for one token."""

    id: str
    account_id: str
    livemode: bool
    fiat: str
    amount: int
    currency: str
    due: int
    price: int
    peg_fiat: str | None
    peg_price: int | None
    lock_expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Quote(NewQuote):
    """A quote as stored. payment_intent: the one that has its amount from it."""

    payment_intent: str | None


class Said(NamedTuple):
    """One price a quote was made of. price: 10^-18 of the pair's fiat currency."""

    verdict: str
    source: str
    pair: Pair
    asked_at: datetime
    as_of: datetime
    raw: str
    price: int


async def insert(conn: Connection, new: NewQuote, verdicts: Mapping[int, str]) -> None:
    """A new quote. verdicts: what became of each price, by the reading's number."""
    values = asdict(new)
    for name in _AMOUNTS:
        values[name] = None if values[name] is None else Decimal(values[name])
    await _Q.run(conn, "insert", **values)
    await _Q.run(
        conn,
        "insert_readings",
        quote_id=new.id,
        readings=numbers(verdicts),
        verdicts=texts(verdicts.values()),
    )


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Quote]:
    """Those of `ids` that exist, in their order."""
    found = {}
    for row in await _Q.all(conn, "by_ids", ids=texts(ids)):
        amounts = {name: None if row[name] is None else int(row[name]) for name in _AMOUNTS}
        found[row["id"]] = Quote(**row | amounts)
    return [found[id] for id in ids if id in found]


async def lock(conn: Connection, id: str) -> Quote | None:
    """The quote, used by nobody else until the transaction ends."""
    await _Q.one(conn, "lock", id=id)
    found = await get_many(conn, [id])
    return found[0] if found else None


async def said_for(conn: Connection, ids: Sequence[str]) -> dict[str, list[Said]]:
    """What sources said for some quotes, by quote id."""
    found: dict[str, list[Said]] = {id: [] for id in ids}
    for row in await _Q.all(conn, "readings_of", ids=texts(ids)):
        pair = Pair(row["currency"], row["fiat"])
        found[row["quote_id"]].append(
            Said(
                row["verdict"], row["source"], pair, row["asked_at"], row["as_of"], row["raw"],
                int(row["price"]),
            )
        )  # fmt: skip
    return found
