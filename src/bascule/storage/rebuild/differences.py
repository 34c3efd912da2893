"""The books made anew beside those to be judged: whatever differs, by transaction and entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("differences", package=__package__)
MOST = 100  # rows named of each kind
_OF_AGENDA = ("transactions", "unposted")  # which is of the chains asked for
_OF_CHAINS = ("invented", "booked", "balances")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. transaction: in the books judged, None where they have none; fact: what it
    books; what: which entry, or what else of it; expected, found: base units, or words.
    """

    transaction: int | None
    fact: str
    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Compared:
    """How much was compared, and what differs: the first of each kind, at most `MOST`."""

    transactions: int
    entries: int
    differences: tuple[Difference, ...]


async def compare(conn: Connection, chains: Sequence[int]) -> Compared:
    """Both books, of these chains: each transaction by a digest of its content, then every balance."""
    ours = list(chains)
    for step in (
        "make_lines",
        "expected_lines",
        "found_lines",
        "make_books",
        "expected_books",
        "found_books",
    ):
        await _Q.run(conn, step, **({"chains": ours} if step.startswith("found") else {}))
    await conn.execute("ANALYZE")
    counted = await _Q.one(conn, "count")
    rows = [row for kind in _OF_AGENDA for row in await _Q.all(conn, kind, most=MOST)]
    rows += [row for kind in _OF_CHAINS for row in await _Q.all(conn, kind, chains=ours, most=MOST)]
    return Compared(counted["transactions"], counted["entries"], tuple(Difference(**row) for row in rows))
