"""Rows of the signer's anchors: what they may cost, and which heads were signed for."""

from __future__ import annotations

from datetime import datetime

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.signer_ledger import SlotKey
from bascule.storage.signer_limits import FeeLimits

Q = Queries("signer_anchors")


async def set(conn: Connection, chain_id: int, wallet: Address, limits: FeeLimits) -> int:
    """A new version of the wallet's limits (the owner's login alone may); returns its number."""
    return int(
        await Q.scalar(
            conn, "set_version", chain_id=chain_id, wallet=wallet, max_fee_per_gas=limits.max_fee_per_gas,
            max_gas=limits.max_gas,
        )
    )  # fmt: skip


async def current(conn: Connection, chain_id: int, wallet: Address) -> FeeLimits | None:
    """The limits that rule now; None: this wallet anchors nothing."""
    row = await Q.maybe(conn, "current", chain_id=chain_id, wallet=wallet)
    return None if row is None else FeeLimits(int(row["max_fee_per_gas"]), int(row["max_gas"]))


async def newest(conn: Connection, chain_id: int, wallet: Address) -> int:
    """The highest seal that was signed for from the wallet; 0 before the first."""
    return int(await Q.scalar(conn, "newest", chain_id=chain_id, wallet=wallet) or 0)


async def contradicts(conn: Connection, seal: int, head: bytes) -> bool:
    """Whether another head was signed for this seal. Every other head waits until the transaction ends."""
    await Q.run(conn, "serialize")
    return bool(await Q.scalar(conn, "contradicts", seal=seal, head=head))


async def insert(conn: Connection, key: SlotKey, seal: int, head: bytes, signed_at: datetime) -> None:
    """The nonce anchors this, for ever."""
    await Q.run(conn, "insert", **key.parameters, seal=seal, head=head, signed_at=signed_at)
