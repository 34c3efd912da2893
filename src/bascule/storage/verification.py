"""The invariants of an installation, each a query that names whatever contradicts it.

They are read in one snapshot, so that they hold of a running system too: what moves together is committed
together. What no row can say of itself is shown elsewhere: that the chain itself holds this money
(`bascule reconcile`), and that what waits comes to rest once faults end (the stories under tests/scenarios).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bascule.storage.database import Connection, Database
from bascule.storage.queries import Queries

_Q = Queries("verification")
MOST = 100  # wrong rows named per query
SETTINGS = ("one_snapshot", "take_your_time")


@dataclass(frozen=True)
class Check:
    """An invariant: its short name, what holds, and the queries that find what contradicts it."""

    name: str
    holds: str
    queries: tuple[str, ...]


@dataclass(frozen=True)
class Wrong:
    """A row that contradicts an invariant, and what was found there."""

    check: Check
    subject: str
    found: str

    def __str__(self) -> str:
        return f"{self.check.name} {self.check.holds}: {self.subject} {self.found}"


CHECKS: Final = (
    Check("G1", "the entries of each token sum to zero, posted and held", ("sums",)),
    Check("G2", "each transaction balances", ("transactions",)),
    Check("G3", "each balance is the sum of its entries", ("balances", "closings")),
    Check("G4", "custody is what the chain holds", ("custody",)),
    Check("G5", "each final transfer to us is booked once, and nothing else is", ("transfers",)),
    Check("G6", "each paid payout has one transfer, exactly its own", ("payouts",)),
    Check("G7", "nothing leaves us without an approved payout", ("outflows",)),
    Check("G8", "each event has its number and its deliveries", ("told",)),
    Check("G10", "nothing waits for what has happened", ("waiting",)),
    Check("G11", "no account's rows stand under another", ("tenants",)),
    Check("G12", "the journal is what its facts say", ("facts", "digests")),
)


async def verify(db: Database) -> list[Wrong]:
    """Everything that contradicts an invariant, by check, the first wrong row of each first; best empty."""
    async with db.transaction() as conn:
        for setting in SETTINGS:
            await _Q.run(conn, setting)
        return await wrong_rows(conn)


async def wrong_rows(conn: Connection, checks: Sequence[Check] = CHECKS) -> list[Wrong]:
    """The same as the caller's transaction sees it, of these checks."""
    return [
        Wrong(check, row["subject"], row["found"])
        for check in checks
        for name in check.queries
        for row in await _Q.all(conn, name, most=MOST)
    ]
