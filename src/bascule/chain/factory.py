"""The deposit factory: what it says of a flush, and where it sends money now.

Layouts: contracts/src/DepositFactory.sol. Logs of other contracts are passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bascule.chain.abi import artifact
from bascule.chain.bloom import may_hold
from bascule.chain.caller import Caller
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import data
from bascule.chain.logs import Log
from bascule.domain.chain import ZERO_ADDRESS, Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak

FLUSHED = keccak(b"Flushed(bytes32,address,address,address,uint256)")
FLUSH_FAILED = keccak(b"FlushFailed(bytes32,address,address,bytes)")
_CALL = "eth_call"
CollectorWord = Literal["scheduled", "changed", "unscheduled"]
UNSCHEDULED: Final = "unscheduled"

# What it says of its collector; which topic names the one it is about.
_ANNOUNCED: Final[dict[bytes, tuple[CollectorWord, int]]] = {
    keccak(b"CollectorScheduled(address,address,uint48)"): ("scheduled", 2),
    keccak(b"CollectorChanged(address,address)"): ("changed", 2),
    keccak(b"CollectorUnscheduled(address)"): ("unscheduled", 1),
}
COLLECTOR_WORDS = frozenset(kind for kind, _ in _ANNOUNCED.values())


@dataclass(frozen=True, slots=True)
class Flushed:
    """An address whose balance went to `collector`. amount: base units."""

    forwarder: Address
    token: Address
    collector: Address
    amount: int


@dataclass(frozen=True, slots=True)
class FlushFailed:
    """An address whose balance stayed where it was. reason: what the token reverted with."""

    forwarder: Address
    token: Address
    reason: bytes


@dataclass(frozen=True, slots=True)
class Collectors:
    """Where flushes go now, and where they will go; None: unset, or nothing is scheduled."""

    current: Address | None
    scheduled: Address | None


@dataclass(frozen=True, slots=True)
class Announced:
    """What a factory said of its collector. kind: scheduled, changed or unscheduled; collector: which one."""

    log_index: int
    tx_hash: Hash
    factory: Address
    kind: CollectorWord
    collector: Address


def may_announce(bloom: bytes, factories: Collection[Address]) -> bool:
    """Whether one of these may have said something of its collector in a block; False is certain."""
    if not any(may_hold(bloom, factory) for factory in factories):
        return False
    return any(may_hold(bloom, topic) for topic in _ANNOUNCED)


def announced(logs: Sequence[Log], factories: Collection[Address]) -> list[Announced]:
    """What these said of their collectors, in the block's order."""
    said = []
    for log in logs:
        if log.address in factories and log.topics and log.topics[0] in _ANNOUNCED:
            kind, at = _ANNOUNCED[log.topics[0]]
            said.append(Announced(log.index, log.tx_hash, log.address, kind, Address(log.topics[at][12:])))
    return said


def flush_calldata(salts: Sequence[bytes], token: Address) -> bytes:
    """The bytes that call `flush(salts, token)`."""
    return artifact("DepositFactory").calldata("flush", list(salts), bytes(token))


def facts(factory: Address, logs: Sequence[Log]) -> tuple[list[Flushed], list[FlushFailed]]:
    """What the factory said in these logs. Raises: Halted when it is not our factory's layout."""
    own = [log for log in logs if log.address == factory and log.topics]
    try:
        return (
            [_flushed(log) for log in own if log.topics[0] == FLUSHED],
            [_failed(log) for log in own if log.topics[0] == FLUSH_FAILED],
        )
    except (DecodingError, IndexError) as error:
        raise Halted(f"a log of factory 0x{factory.hex()} has an unknown layout: {error}") from None


async def collectors(rpc: Caller, factory: Address) -> Collectors:
    """Where the factory sends money, in the newest block. Raises as `Caller.call`, or WrongShape."""
    now = await _address(rpc, factory, "collector")
    return Collectors(now, await _address(rpc, factory, "pendingCollector"))


async def _address(rpc: Caller, factory: Address, method: str) -> Address | None:
    call = {"to": "0x" + factory.hex(), "data": "0x" + artifact("DepositFactory").calldata(method).hex()}
    answer = data(await rpc.call_as(str, _CALL, call, "latest"), method=_CALL)
    if len(answer) != 32 or any(answer[:12]):
        raise WrongShape(method=_CALL, why=f"{method}() of the factory is no address")
    found = Address(answer[12:])
    return None if found == ZERO_ADDRESS else found


def _flushed(log: Log) -> Flushed:
    collector, amount = decode(["address", "uint256"], log.data)
    _, _, forwarder, token = log.topics
    return Flushed(
        Address(forwarder[12:]), Address(token[12:]), Address(bytes.fromhex(collector[2:])), amount
    )


def _failed(log: Log) -> FlushFailed:
    (reason,) = decode(["bytes"], log.data)
    _, _, forwarder, token = log.topics
    return FlushFailed(Address(forwarder[12:]), Address(token[12:]), bytes(reason))
