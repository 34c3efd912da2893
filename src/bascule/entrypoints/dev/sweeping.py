"""The sweeper of a development installation: its wallet, and when it flushes."""

from __future__ import annotations

from bascule.domain.chain import Address
from bascule.entrypoints import sweeping
from bascule.entrypoints.dev.ground import Ground
from bascule.storage.database import Connection

# Whatever a customer paid is flushed within seconds of its finality, so that it can be watched.
AT_ONCE = {
    "flush_interval_s": 5,
    "flush_min_amount": "0",
    "flush_min_total": "0",
    "flush_max_age_s": 0,
    "flush_retry_s": 60,
}


async def register(conn: Connection, laid: Ground, wallet: Address, *, max_fee_per_gas: int) -> None:
    """The lane CHAIN/sweeper has this wallet, whose key calls our factory; repeatable."""
    await sweeping.register(
        conn,
        laid.chain_id,
        wallet,
        factory=laid.deposit_factory,
        tokens=[laid.token],
        limits=sweeping.hard_limits(max_fee_per_gas),
    )
