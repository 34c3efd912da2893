"""The sweeper of a development installation: its wallet, what the signer lets it do, and when it flushes."""

from __future__ import annotations

from bascule.domain import flush
from bascule.domain.chain import Address
from bascule.entrypoints.dev.ground import Ground
from bascule.storage import addresses, lanes, signer_flush_limits, signer_wallets
from bascule.storage.database import Connection
from bascule.storage.signer_flush_limits import FlushLimits

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
    await addresses.add_own(conn, laid.chain_id, wallet, "wallet")
    await lanes.add_wallet(conn, laid.chain_id, wallet, name=flush.LANE)
    await signer_wallets.add(conn, laid.chain_id, wallet, role="sweeper")
    factory = laid.deposit_factory
    if await signer_flush_limits.current(conn, laid.chain_id, factory, laid.token) is None:
        hard = FlushLimits(max_fee_per_gas, flush.gas_limit(flush.ADDRESSES_MAX), flush.ADDRESSES_MAX)
        await signer_flush_limits.set(conn, laid.chain_id, factory=factory, token=laid.token, limits=hard)
