"""Every invariant of an installation, asked in one snapshot.

So they hold of a running system too: what moves together is committed together. What no row can say of
itself is shown elsewhere: that the chain itself holds this money (`bascule reconcile`), and that what waits
comes to rest once faults end (the stories under tests/scenarios).
"""

from collections.abc import Sequence
from typing import Final

from bascule.storage.database import Connection, Database
from bascule.storage.invariants import custody, facts, fees, journal, paid, refunds, rows
from bascule.storage.invariants.check import MOST, Check, Wrong
from bascule.storage.queries import Queries

_Q = Queries("verification")
SETTINGS = ("one_snapshot", "take_your_time")
CHECKS: Final = (
    *journal.CHECKS,
    *custody.CHECKS,
    *paid.CHECKS,
    *rows.CHECKS,
    *facts.CHECKS,
    *refunds.CHECKS,
    *fees.CHECKS,
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
        for row in await check.asked.all(conn, name, most=MOST)
    ]
