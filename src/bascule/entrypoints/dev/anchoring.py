"""The anchor's wallet of a development installation, and how often it writes."""

from __future__ import annotations

from bascule.domain.chain import Address
from bascule.entrypoints import anchoring
from bascule.storage.database import Connection

# What is done is sealed and stands on chain within seconds, so that it can be watched.
AT_ONCE = {"seal_interval_s": 5, "anchor_interval_s": 5}


async def register(conn: Connection, chain_id: int, wallet: Address, *, max_fee_per_gas: int) -> None:
    """The lane CHAIN/anchor has this wallet; repeatable."""
    limits = anchoring.hard_limits(max_fee_per_gas)
    await anchoring.register(conn, chain_id, wallet, limits=limits, next_nonce=0)
