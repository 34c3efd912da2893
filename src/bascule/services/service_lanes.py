"""The wallet of a lane that pays nobody ends, so that another one can work the lane in its place.

After a restore its rows do not know what it sent since. None of that pays anybody, so nothing is taken over;
but its nonces are not ours to give any more. Its fees and what it carried stay with its address. What it
never signed, as far as rows know, waits for the next wallet: done twice, that has one effect, or moves coin
between wallets of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bascule.domain import anchor, authorization, call_off, flush, gas
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Retryable
from bascule.domain.slot import SlotEvent, SlotKind, SlotState
from bascule.services import anchoring, cancelling, flushing, presenting, topping_up
from bascule.storage import audit, lanes, slots
from bascule.storage.database import Connection
from bascule.storage.lanes import Wallet
from bascule.storage.slots import Slot

LetGo = Callable[[Connection, Slot, datetime], Awaitable[None]]
_LET_GO: Mapping[str, LetGo] = {
    flush.LANE: flushing.let_go,
    call_off.LANE: cancelling.let_go,
    gas.LANE: topping_up.let_go,
    anchor.LANE: anchoring.let_go,
    authorization.LANE: presenting.let_go,
}
NAMES = tuple(_LET_GO)


async def every(conn: Connection) -> list[Wallet]:
    """The wallets of all chains' service lanes."""
    return await lanes.service_wallets(conn, NAMES)


async def end(conn: Connection, chain_id: int, name: str, now: datetime) -> Address:
    """The lane CHAIN/name has no wallet any more; which it had. conn: under the owner's login. Audited.

    A nonce without bytes ends with it, and is given to nothing else: a submitter that asks the signer
    meanwhile keeps and sends nothing for it. Raises: Retryable when somebody else ended it, or while bytes of
    it are not final, as its submitter follows them.
    """
    wallet = await lanes.service_wallet(conn, chain_id, name, lock=True)
    if wallet is None:
        raise Retryable(f"lane {chain_id}/{name} has no wallet any more")
    unsigned: list[int] = []
    for known in await slots.unfinished(conn, chain_id, wallet.address):
        slot = await slots.lock(conn, chain_id, wallet.address, known.nonce)
        if slot.state is not SlotState.RESERVED:
            raise Retryable(f"nonce {slot.nonce} of lane {chain_id}/{name} is {slot.state}, which has to end")
        if slot.kind is not SlotKind.FILL:
            await _LET_GO[name](conn, slot, now)
        await slots.advance(conn, slot, SlotEvent.LOSE)
        unsigned.append(slot.nonce)
    await lanes.end_service(conn, wallet)
    told = {"wallet": checksum(wallet.address), "next_nonce": wallet.next_nonce, "unsigned": unsigned}
    await audit.append(conn, actor="cli", action="lane.end", object_id=f"{chain_id}/{name}", details=told)
    return wallet.address
