"""Periods of the books: closing them, and what accounts stood at, at a moment.

A transaction has two times: when it is effective (its block's time), and when it was recorded. What is
learned of a closed period afterwards is effective in the first moment still open, so that a closed balance
never changes.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg import errors

from bascule.domain.errors import Conflict
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("periods")


@dataclass(frozen=True)
class Period:
    """What is effective from `since` on and before `until`. accounts: how many stood at something then."""

    since: datetime
    until: datetime
    closed_at: datetime
    closed_by: str
    accounts: int


@dataclass(frozen=True)
class Stand:
    """What a ledger account stood at, posted, in base units, debit positive."""

    code: str
    token_id: str
    posted: int


async def close(conn: Connection, until: datetime) -> None:
    """Nothing becomes effective before `until` any more once the caller's transaction commits.

    Postings wait meanwhile. Raises: Conflict `period_closed` (it is already), `period_not_over` (too early:
    the moment itself, a chain that is not final as far, final money that is not booked).
    """
    try:
        await _Q.run(conn, "close", until=until)
    except errors.InvalidParameterValue as error:
        raise _refused("period_closed", error, "close the period that follows") from None
    except errors.ObjectNotInPrerequisiteState as error:
        raise _refused("period_not_over", error, "try again later, or close a shorter period") from None


async def closed(conn: Connection) -> list[Period]:
    """Every closed period, the oldest first; each begins where the one before it ended."""
    return [Period(**row) for row in await _Q.all(conn, "closed")]


async def balances_at(
    conn: Connection, at: datetime, *, known_at: datetime | None = None, account_id: str | None = None
) -> list[Stand]:
    """What accounts stood at when everything effective up to `at` had happened, zeros left out.

    known_at: by what was recorded until then; by default all, which takes no look at what came later.
    account_id: only what is owed to this account.
    """
    found = await _Q.all(conn, "balances_at", at=at, known_at=known_at, account_id=account_id)
    return [Stand(row["code"], row["token_id"], int(row["posted"])) for row in found]


def _refused(code: str, error: errors.Error, next_step: str) -> Conflict:
    said = error.diag.message_primary or str(error)
    return Conflict(code, said, param="until", next_step=next_step)
