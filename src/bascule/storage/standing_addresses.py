"""Rows of standing addresses: deposit addresses of accounts that belong to no intent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bascule.domain.chain import Address, ChainId
from bascule.domain.matching import MOST_BELIEVED
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("standing_addresses")


@dataclass(frozen=True, slots=True)
class StandingAddress:
    """Where an account is paid on a chain without an intent."""

    address: Address
    created_at: datetime


async def of_account(conn: Connection, account_id: str, chain_id: ChainId) -> StandingAddress | None:
    """The account's standing address on the chain, if it has one."""
    row = await Q.maybe(conn, "of_account", account_id=account_id, chain_id=chain_id)
    return None if row is None else StandingAddress(Address(bytes(row["address"])), row["created_at"])


async def serialize(conn: Connection, account_id: str) -> None:
    """Nobody else makes one for the account until the transaction ends."""
    await Q.run(conn, "serialize", account_id=account_id)


async def insert(
    conn: Connection, account_id: str, chain_id: ChainId, address: Address, at: datetime
) -> None:
    """The account's deposit address stands for it, for ever."""
    await Q.run(conn, "insert", account_id=account_id, chain_id=chain_id, address=address, created_at=at)


async def amounts(conn: Connection, deposit_ids: Sequence[str]) -> dict[str, int]:
    """Base units of those of these deposits that came to standing addresses; not of what is beyond belief."""
    if not deposit_ids:
        return {}
    rows = await Q.all(conn, "amounts", ids=list(deposit_ids), most=Decimal(MOST_BELIEVED))
    return {row["id"]: int(row["amount"]) for row in rows}
