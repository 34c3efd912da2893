"""How many transactions a wallet has sent, as a node counts them."""

from __future__ import annotations

from bascule.chain.caller import Caller
from bascule.chain.hexes import number
from bascule.domain.chain import Address

_METHOD = "eth_getTransactionCount"


async def count(rpc: Caller, wallet: Address, tag: str) -> int:
    """Up to a block by tag; `pending` counts what waits too. Raises as `Caller.call`, or WrongShape."""
    return number(await rpc.call_as(str, _METHOD, "0x" + wallet.hex(), tag), method=_METHOD)
