"""How many transactions a wallet has sent, as a node counts them."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.chain.caller import Caller
from bascule.chain.hexes import number
from bascule.domain.chain import Address

_METHOD = "eth_getTransactionCount"


async def count(rpc: Caller, wallet: Address, tag: str) -> int:
    """Up to a block by tag; `pending` counts what waits too. Raises as `Caller.call`, or WrongShape."""
    return number(await rpc.call_as(str, _METHOD, "0x" + wallet.hex(), tag), method=_METHOD)


async def highest(rpc: Caller, wallets: Sequence[Address]) -> list[int]:
    """Of each wallet, in their order: what it sent, also what waits; the most that any tag counts.

    In one batch. Raises as `count`.
    """
    tags = ("latest", "pending")
    calls = [(_METHOD, ("0x" + wallet.hex(), tag)) for wallet in wallets for tag in tags]
    told = [number(each, method=_METHOD) for each in await rpc.batch_as(str, calls)]
    return [max(told[n : n + len(tags)]) for n in range(0, len(told), len(tags))]
