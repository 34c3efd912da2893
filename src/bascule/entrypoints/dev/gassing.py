"""The gas wallet of a development installation: it keeps every lane's wallet filled."""

from __future__ import annotations

from bascule.domain import anchor, authorization, call_off, flush
from bascule.domain.chain import Address
from bascule.entrypoints import gassing
from bascule.storage import lanes
from bascule.storage.database import Connection
from bascule.storage.signer_limits import HardLimits

ETHER = 10**18
MAX_PER_ITEM = 10 * ETHER  # two full batches at the ceiling are 6.3
MAX_PER_DAY = 40 * ETHER


async def register(
    conn: Connection, chain_id: int, wallet: Address, lane: str, *, max_fee_per_gas: int
) -> None:
    """The lane CHAIN/gas has this wallet, with a route to every other lane's; repeatable."""
    await gassing.register(conn, chain_id, wallet, next_nonce=0)
    limits = HardLimits(MAX_PER_ITEM, MAX_PER_DAY, max_fee_per_gas, gassing.MAX_GAS)
    for name in (lane, flush.LANE, call_off.LANE, anchor.LANE, authorization.LANE):
        filled = await lanes.service_wallet(conn, chain_id, name)
        assert filled is not None, f"{name} is opened before the gas wallet"
        await gassing.open_route(conn, chain_id, filled.address, limits)
