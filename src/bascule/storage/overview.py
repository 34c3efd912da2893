"""Reads across tables for people who look: `explain`, `doctor`, lists. Nothing is decided from them."""

from __future__ import annotations

from bascule.domain.chain import Hash
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("overview")


async def accounts(conn: Connection) -> list[Row]:
    """Every account, the operator first."""
    return await _Q.all(conn, "accounts")


async def deposits_in_transaction(conn: Connection, tx_hash: Hash) -> list[Row]:
    """Deposits that a transaction made."""
    return await _Q.all(conn, "deposits_in_transaction", tx_hash=tx_hash)


async def transfers_in_transaction(conn: Connection, tx_hash: Hash) -> list[Row]:
    """Its transfers that touch our addresses, orphaned ones too."""
    return await _Q.all(conn, "transfers_in_transaction", tx_hash=tx_hash)


async def attempt(conn: Connection, tx_hash: Hash) -> Row | None:
    """A transaction of ours with the slot it fills."""
    return await _Q.maybe(conn, "attempt", tx_hash=tx_hash)


async def payouts_in_slot(conn: Connection, chain_id: int, wallet: bytes, nonce: int) -> list[Row]:
    """The payouts a slot pays."""
    return await _Q.all(conn, "payouts_in_slot", chain_id=chain_id, wallet=wallet, nonce=nonce)


async def cursors(conn: Connection) -> list[Row]:
    """How far each chain has been read."""
    return await _Q.all(conn, "cursors")


async def now(conn: Connection) -> Row:
    """The database's clock, our login and the server's version."""
    return await _Q.one(conn, "now")


async def live_keys(conn: Connection) -> int:
    """How many keys for real money still work."""
    return int(await _Q.scalar(conn, "live_keys"))
