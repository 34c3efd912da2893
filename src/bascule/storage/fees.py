"""Platform fees: versions of what merchants pay, and what was charged."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from psycopg import errors

from bascule.domain.errors import Rejected
from bascule.domain.platform_fee import FeeTerms
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("fees")


class FeeVersion(NamedTuple):
    """What a merchant pays in a currency from a moment on."""

    currency: str
    version: int
    terms: FeeTerms
    effective_from: datetime


class Charged(NamedTuple):
    """A fee as it was booked, in base units of the deposit's token. gross: what was credited."""

    version: int
    bps: int
    gross: int
    share: int
    fixed: int


async def set_version(
    conn: Connection, account_id: str, currency: str, terms: FeeTerms, effective_from: datetime | None
) -> FeeVersion:
    """A new version, in force from that moment or from now. Raises: Rejected when the moment is over."""
    try:
        row = await _Q.one(
            conn,
            "set_version",
            account_id=account_id,
            currency=currency,
            bps=terms.bps,
            fixed=Decimal(terms.fixed),
            effective_from=effective_from,
        )
    except errors.CheckViolation as error:
        if error.diag.constraint_name != "fees_are_known_before":
            raise
        raise Rejected(
            "parameter_invalid", "A fee cannot hold from a moment on that is over.", param="effective_from"
        ) from None
    return FeeVersion(currency, row["version"], terms, row["effective_from"])


async def versions_of(conn: Connection, account_id: str) -> list[FeeVersion]:
    """All versions of an account, by currency, in the order in which they come into force."""
    return [
        FeeVersion(
            row["currency"], row["version"], FeeTerms(row["bps"], int(row["fixed"])), row["effective_from"]
        )
        for row in await _Q.all(conn, "versions_of", account_id=account_id)
    ]


async def of_deposits(conn: Connection, deposit_ids: Sequence[str]) -> dict[str, Charged]:
    """What was charged for those deposits for which something was asked, by id."""
    return {
        row["deposit_id"]: Charged(
            row["version"], row["bps"], int(row["gross"]), int(row["share"]), int(row["fixed"])
        )
        for row in await _Q.all(conn, "of_deposits", deposit_ids=texts(deposit_ids))
    }
