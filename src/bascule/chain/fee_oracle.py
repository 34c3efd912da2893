"""What gas costs now, as the last blocks show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median_low

import msgspec
from eth_abi.abi import encode

from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import data, number
from bascule.domain.chain import Address
from bascule.domain.fees import Ceiling, Fees, suggest
from bascule.domain.hashing import keccak

METHOD = "eth_feeHistory"
BLOCKS = 5
# Where no recent block paid a tip (an idle chain), this is offered: 1 gwei, geth's old default.
IDLE_TIP = 1_000_000_000
_L1_FEE = keccak(b"getL1Fee(bytes)")[:4]
_L1_GAS = keccak(b"gasEstimateL1Component(address,bool,bytes)")[:4]
# What stands around a call in signed bytes: nonce, fees, address and signature are below 200 bytes, and
# nothing of them can be compressed, as nothing here can.
_ENVELOPE = bytes(range(200))


class _History(msgspec.Struct):
    baseFeePerGas: list[str]
    reward: list[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Wei per gas: what the next block takes at least, and the tip that half of the last blocks' gas paid."""

    base_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class DataCost:
    """What a rollup takes for a transaction's data: gas above what the call needs, or wei beside all gas."""

    gas: int = 0
    fee: int = 0


NO_DATA_COST = DataCost()


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


async def data_cost(rpc: Caller, to: Address, calldata: Callable[[], bytes]) -> DataCost:
    """What a rollup would take now for the data of a call whose bytes are not made yet; nothing elsewhere.

    Gas for data follows another chain's price: half as much again is counted, as a limit is never raised.
    calldata: made only where somebody is to be asked. Raises: as `price`.
    """
    family = rpc.family
    if family is None or (family.data_oracle is None and family.data_gas_oracle is None):
        return NO_DATA_COST
    if (oracle := family.data_gas_oracle) is None:
        return DataCost(fee=await data_fee(rpc, _ENVELOPE + calldata()))
    asked = _L1_GAS + encode(["address", "bool", "bytes"], ["0x" + to.hex(), False, calldata()])
    answer = data(await rpc.call_as(str, "eth_call", {"to": oracle, "data": "0x" + asked.hex()}, "latest"),
                  method="eth_call")  # fmt: skip
    if len(answer) != 3 * 32:
        raise WrongShape(method="eth_call", why="gasEstimateL1Component() is not three words")
    return DataCost(gas=int.from_bytes(answer[:32], "big") * 3 // 2)


async def offer(rpc: Caller, *, gas: int, ceiling: Ceiling, data_cost: DataCost = NO_DATA_COST) -> Fees:
    """Fees for a call of `gas` and its data to be mined soon, never above the ceiling. Raises as `price`."""
    now, limit = await price(rpc), gas + data_cost.gas
    return suggest(now.base_fee, now.tip, ceiling.of(limit, data_cost.fee), gas=limit)
