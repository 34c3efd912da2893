"""What sources said a token costs: every answer as it came, for ever."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bascule.domain.rates import Pair, Price
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("rates")


class Reading(NamedTuple):
    """One answer of a source. price: 10^-18 of the fiat currency, None where `refusal` says why not."""

    source: str
    pair: Pair
    asked_at: datetime
    as_of: datetime
    raw: str
    price: int | None
    refusal: str | None


async def insert(conn: Connection, readings: Sequence[Reading]) -> None:
    """Keeps what was said."""
    await _Q.run(
        conn,
        "insert",
        sources=texts(reading.source for reading in readings),
        currencies=texts(reading.pair.currency for reading in readings),
        fiats=texts(reading.pair.fiat for reading in readings),
        asked=[reading.asked_at for reading in readings],
        as_of=[reading.as_of for reading in readings],
        raws=texts(reading.raw for reading in readings),
        prices=texts(None if reading.price is None else str(reading.price) for reading in readings),
        refusals=texts(reading.refusal for reading in readings),
    )


async def newest_prices(conn: Connection, pair: Pair, sources: Sequence[str]) -> list[Price]:
    """The newest price of each source that ever told one."""
    rows = await _Q.all(conn, "newest_prices", currency=pair.currency, fiat=pair.fiat, sources=texts(sources))
    return [Price(row["id"], row["source"], int(row["price"]), row["as_of"]) for row in rows]


async def newest(conn: Connection, since: datetime) -> list[Reading]:
    """What each source said last of each pair, by pair; those not asked since are left out."""
    return [
        Reading(
            row["source"],
            Pair(row["currency"], row["fiat"]),
            row["asked_at"],
            row["as_of"],
            row["raw"],
            None if row["price"] is None else int(row["price"]),
            row["refusal"],
        )
        for row in await _Q.all(conn, "newest", since=since)
    ]
