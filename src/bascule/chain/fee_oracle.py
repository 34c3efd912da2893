"""What gas costs now, as the last blocks show it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low

import msgspec

from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import number
from bascule.domain.fees import Fees, suggest

METHOD = "eth_feeHistory"
BLOCKS = 5
# Where no recent block paid a tip (an idle chain), this is offered: 1 gwei, geth's old default.
IDLE_TIP = 1_000_000_000


class _History(msgspec.Struct):
    baseFeePerGas: list[str]
    reward: list[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Wei per gas: what the next block takes at least, and the tip that half of the last blocks' gas paid."""

    base_fee: int
    tip: int


async def price(rpc: Caller) -> Price:
    """What gas costs now. Raises as `Caller.call`, or WrongShape."""
    history = await rpc.call_as(_History, METHOD, hex(BLOCKS), "latest", [50])
    if not history.baseFeePerGas:
        raise WrongShape(method=METHOD, why="no base fee")
    base_fee = number(history.baseFeePerGas[-1], method=METHOD)
    tips = [number(block[0], method=METHOD) for block in history.reward or [] if block]
    paid = [tip for tip in tips if tip > 0]
    return Price(base_fee, median_low(paid) if paid else IDLE_TIP)


async def offer(rpc: Caller, *, gas: int, ceiling: int) -> Fees:
    """Fees for `gas` to be mined soon, never above `ceiling` wei per gas. Raises as `price`."""
    now = await price(rpc)
    return suggest(now.base_fee, now.tip, ceiling, gas=gas)
