"""Every invariant of an installation, asked in one snapshot.

So they hold of a running system too: what moves together is committed together. What no row can say of
itself is shown elsewhere: that the chain itself holds this money (`bascule reconcile`), and that what waits
comes to rest once faults end (the stories under tests/scenarios).
"""

from collections.abc import Sequence
from typing import Final

from bascule.storage.database import Connection, Database
from bascule.storage.invariants import (
    custody,
    facts,
    fees,
    journal,
    paid,
    refunds,
    rows,
    screened,
    settlements,
)
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
    *screened.CHECKS,
    *settlements.CHECKS,
)
NAMED: Final = {check.name: check for check in CHECKS}


async def verify(db: Database) -> list[Wrong]:
    """Everything that contradicts an invariant, by check, the first wrong row of each first; best empty."""
    async with db.transaction() as conn:
        await one_moment(conn)
        return await wrong_rows(conn)


async def one_moment(conn: Connection) -> None:
    """The transaction that begins with this reads one snapshot, takes its time, and changes nothing."""
    for setting in SETTINGS:
        await _Q.run(conn, setting)


async def wrong_rows(conn: Connection, checks: Sequence[Check] = CHECKS) -> list[Wrong]:
    """The same as the caller's transaction sees it, of these checks and of what their queries say besides."""
    found = [
        Wrong(NAMED[row["invariant"]] if "invariant" in row else check, row["subject"], row["found"])
        for check in checks
        for name in check.queries
        for row in await check.asked.all(conn, name, most=MOST)
    ]
    order = list(NAMED)
    return sorted(found, key=lambda wrong: order.index(wrong.check.name))
