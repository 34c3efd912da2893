"""What gas costs now, as the last blocks show it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low

import msgspec
from eth_abi.abi import encode

from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import number
from bascule.domain.fees import Fees, suggest
from bascule.domain.hashing import keccak

METHOD = "eth_feeHistory"
BLOCKS = 5
# Where no recent block paid a tip (an idle chain), this is offered: 1 gwei, geth's old default.
IDLE_TIP = 1_000_000_000
_L1_FEE = keccak(b"getL1Fee(bytes)")[:4]


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
    least = 0 if rpc.family is None else rpc.family.least_tip
    return Price(base_fee, max(least, median_low(paid) if paid else IDLE_TIP))


async def data_fee(rpc: Caller, raw: bytes) -> int:
    """Wei that a rollup would take now for a signed transaction's data, beside its gas; 0 elsewhere.

    Raises: as `price`.
    """
    oracle = None if rpc.family is None else rpc.family.data_oracle
    if oracle is None:
        return 0
    call = {"to": oracle, "data": "0x" + (_L1_FEE + encode(["bytes"], [raw])).hex()}
    return number(await rpc.call_as(str, "eth_call", call, "latest"), method="eth_call")


async def offer(rpc: Caller, *, gas: int, ceiling: int) -> Fees:
    """Fees for `gas` to be mined soon, never above `ceiling` wei per gas. Raises as `price`."""
    now = await price(rpc)
    return suggest(now.base_fee, now.tip, ceiling, gas=gas)
