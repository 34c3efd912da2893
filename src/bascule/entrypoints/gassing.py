"""Making a wallet the gas wallet of a chain, and opening its routes to the wallets it fills up.

Two authorities get rows, as for the sweeper: the bridge, which asks, and the signer, which holds each
question against limits of its own. No process may write them; the owner's login does.
"""

from __future__ import annotations

from bascule.domain import gas as rules
from bascule.domain.chain import ZERO_ADDRESS, Address, checksum
from bascule.domain.errors import Conflict
from bascule.entrypoints import service_wallets
from bascule.storage import audit, gas, lanes, signer_top_ups
from bascule.storage.database import Connection
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_top_ups import Route

MAX_GAS = 1_000_000  # rollups count a transfer's data as gas


async def register(conn: Connection, chain_id: int, wallet: Address, *, next_nonce: int) -> None:
    """The wallet tops up others on the chain; repeatable. conn: under the owner's login.

    Raises: as `service_wallets.register`.
    """
    if await service_wallets.register(conn, chain_id, wallet, name=rules.LANE, next_nonce=next_nonce):
        told = {"wallet": checksum(wallet)}
        await audit.append(
            conn, actor="cli", action="gas_wallet.register", object_id=str(chain_id), details=told
        )


async def open_route(conn: Connection, chain_id: int, destination: Address, limits: HardLimits) -> bool:
    """Coin may go from the gas wallet to this wallet of ours; whether that is new.

    conn: under the owner's login. limits: of one top-up and of a day, in wei. Again with other limits: those
    rule from the next question on. Raises: Conflict when the destination is no wallet of ours, or there is
    no source.
    """
    source = await lanes.service_wallet(conn, chain_id, rules.LANE)
    known = await lanes.wallet_at(conn, chain_id, destination)
    if source is None or known is None or known.name == rules.LANE:
        raise Conflict(
            "route_impossible",
            f"chain {chain_id} has no gas wallet, or {checksum(destination)} is no other wallet of ours",
            next_step="name a lane's wallet, after the gas wallet is registered",
        )
    route = Route(chain_id, source.address, ZERO_ADDRESS, destination)
    if await signer_top_ups.current(conn, route) == limits:
        return False
    await signer_top_ups.set(conn, route, limits)
    await gas.set_route(
        conn, chain_id, destination, max_per_item=limits.max_per_item, max_per_day=limits.max_per_day
    )
    told = {
        "to": checksum(destination),
        "lane": known.name,
        "max_per_item": str(limits.max_per_item),
        "max_per_day": str(limits.max_per_day),
        "max_fee_per_gas": str(limits.max_fee_per_gas),
    }
    await audit.append(conn, actor="cli", action="gas_wallet.route", object_id=str(chain_id), details=told)
    return True
