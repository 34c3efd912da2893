"""The wallet of a lane that pays nobody ends, so that another one can work the lane in its place.

After a restore its rows do not know what it sent since. None of that pays anybody, so nothing is taken over;
but its nonces are not ours to give any more. Its fees and what it carried stay with its address.
"""

from __future__ import annotations

from bascule.domain import anchor, authorization, call_off, flush, gas
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Retryable
from bascule.storage import audit, lanes, slots
from bascule.storage.database import Connection
from bascule.storage.lanes import Wallet

NAMES = (flush.LANE, call_off.LANE, gas.LANE, anchor.LANE, authorization.LANE)


async def every(conn: Connection) -> list[Wallet]:
    """The wallets of all chains' service lanes."""
    return await lanes.service_wallets(conn, NAMES)


async def end(conn: Connection, chain_id: int, name: str) -> Address:
    """The lane CHAIN/name has no wallet any more; which it had. conn: under the owner's login. Audited.

    Raises: Retryable when somebody else ended it, or while one of its nonces is given away and not final, as
    its submitter ends that.
    """
    wallet = await lanes.service_wallet(conn, chain_id, name, lock=True)
    if wallet is None:
        raise Retryable(f"lane {chain_id}/{name} has no wallet any more")
    waiting = await slots.unfinished(conn, chain_id, wallet.address)
    if waiting:
        lowest = waiting[0]
        raise Retryable(f"nonce {lowest.nonce} of lane {chain_id}/{name} is {lowest.state}, which has to end")
    await lanes.end_service(conn, wallet)
    told = {"wallet": checksum(wallet.address), "next_nonce": wallet.next_nonce}
    await audit.append(conn, actor="cli", action="lane.end", object_id=f"{chain_id}/{name}", details=told)
    return wallet.address
