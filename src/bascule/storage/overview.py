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


async def event(conn: Connection, event_id: str) -> Row | None:
    """An event; account_sequence is None until it has its number."""
    return await _Q.maybe(conn, "event", id=event_id)


async def deliveries_of(conn: Connection, event_id: str) -> list[Row]:
    """Where an event was sent."""
    return await _Q.all(conn, "deliveries_of", id=event_id)


async def delivery(conn: Connection, delivery_id: str) -> Row | None:
    """An event on its way to an endpoint."""
    return await _Q.maybe(conn, "delivery", id=delivery_id)


async def endpoint(conn: Connection, endpoint_id: str) -> Row | None:
    """A webhook endpoint and what is left to deliver to it."""
    return await _Q.maybe(conn, "endpoint", id=endpoint_id)


async def waiting_for_people(conn: Connection, account_id: str) -> list[str]:
    """The payouts of an account that wait for approvals, the oldest first, at most 100."""
    return [row["id"] for row in await _Q.all(conn, "waiting_for_people", id=account_id)]
