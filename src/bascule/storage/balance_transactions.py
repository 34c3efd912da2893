"""What booked transactions did to accounts, read from the journal; nothing is stored here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bascule.domain.chain import ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("balance_transactions")
EVER = datetime(9999, 12, 31, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """What one booked transaction did to an account in one asset.

    net, fee: base units, negative where money left; gross = net + fee. tx_id: the ledger's own.
    source: the deposit, payout or whatever was booked, by id.
    """

    id: str
    tx_id: int
    recorded_at: datetime
    effective_at: datetime
    type: str
    source: str
    net: int
    fee: int
    token_id: str
    currency: str
    decimals: int
    chain_id: ChainId


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose, and which of them. since, until: when they were recorded."""

    account_id: str
    livemode: bool
    type: str | None = None
    source: str | None = None
    currency: str | None = None
    chain_id: ChainId | None = None
    since: datetime = field(default=NEVER)
    until: datetime = field(default=EVER)


async def older(conn: Connection, scope: Scope, below: int, limit: int) -> list[int]:
    """Ledger transactions below one of them, the newest first."""
    return await _page(conn, "older", scope, below, limit)


async def newer(conn: Connection, scope: Scope, above: int, limit: int) -> list[int]:
    """Ledger transactions above one of them, the oldest first."""
    return await _page(conn, "newer", scope, above, limit)


async def recorded(conn: Connection, account_id: str, livemode: bool, at_ms: int) -> list[int]:
    """The account's ledger transactions that were recorded within one millisecond of unix time."""
    since = NEVER + timedelta(milliseconds=at_ms)
    rows = await Q.all(
        conn, "recorded", account_id=account_id, livemode=livemode, since=since,
        until=since + timedelta(milliseconds=1),
    )  # fmt: skip
    return [row["tx_id"] for row in rows]


async def of_txs(conn: Connection, account_id: str, tx_ids: Sequence[int]) -> list[BalanceTransaction]:
    """The account's part in some ledger transactions, the newest first."""
    rows = await Q.all(conn, "of_txs", account_id=account_id, tx_ids=list(tx_ids))
    return [BalanceTransaction(**{**row, "net": int(row["net"]), "fee": int(row["fee"])}) for row in rows]


async def _page(conn: Connection, name: str, scope: Scope, bound: int, limit: int) -> list[int]:
    rows = await Q.all(
        conn, name, account_id=scope.account_id, livemode=scope.livemode, type=scope.type,
        source=scope.source, currency=scope.currency, chain_id=scope.chain_id, since=scope.since,
        until=scope.until, bound=bound, limit=limit,
    )  # fmt: skip
    return [row["tx_id"] for row in rows]
