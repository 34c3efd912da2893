"""The payout vault's events, decoded, and what it would refuse; its calls are laid out by `domain.vault`.

Layouts: contracts/src/PayoutVault.sol. Everything that does not come from the vault itself is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from bascule.chain.abi import artifact
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError, WrongShape
from bascule.chain.hexes import data
from bascule.chain.logs import Log
from bascule.domain.chain import ZERO_ADDRESS, Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak

BATCH_PAID = keccak(b"BatchPaid(uint32,bytes32,address,uint256,uint256,uint256)")
PAYOUT_REFUSED = keccak(b"PayoutRefused(uint256,bytes)")
PAYOUT_CANCELED = keccak(b"PayoutCanceled(uint256)")
LANE_SET = keccak(b"LaneSet(uint32,address)")
LIMIT_EXCEEDED = "LimitExceeded"  # as `refusal` names it
OUT_OF_GAS = "OutOfGas"  # the same of a call that does not even end by a revert
GAS_BELOW_FLOOR = "GasBelowFloor"
_CANCEL = keccak(b"cancel(uint256[])")[:4]


@dataclass(frozen=True, slots=True)
class BatchPaid:
    """One executed batch. head: the lane's after it; masks by bit of the word."""

    lane: int
    head: Hash
    token: Address
    word: int
    attempted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the vault said in one transaction. refusals: the token's answer by payout id."""

    batches: tuple[BatchPaid, ...]
    refusals: Mapping[int, bytes]
    canceled: tuple[int, ...]


def facts(vault: Address, logs: Sequence[Log]) -> Facts:
    """What the vault said in these logs, in their order. Raises: Halted when it is not our vault's layout."""
    own = [log for log in logs if log.address == vault and log.topics]
    try:
        return Facts(
            batches=tuple(_batch_paid(log) for log in own if log.topics[0] == BATCH_PAID),
            refusals=dict(_refusal(log) for log in own if log.topics[0] == PAYOUT_REFUSED),
            canceled=tuple(_uint(log.topics[1]) for log in own if log.topics[0] == PAYOUT_CANCELED),
        )
    except (DecodingError, IndexError) as error:
        raise Halted(f"a log of vault 0x{vault.hex()} has an unknown layout: {error}") from None


def word_on(vault: Address, logs: Sequence[Log], topic: bytes, vault_id: int) -> int | None:
    """The index of the vault's log of this kind on an id; None where it said no such thing."""
    wanted = (topic, vault_id.to_bytes(32, "big"))
    return next((log.index for log in logs if log.address == vault and log.topics == wanted), None)


def cancel_calldata(ids: Sequence[int]) -> bytes:
    """The bytes that call `cancel(ids)`."""
    return _CANCEL + encode(["uint256[]"], [list(ids)])


async def lane(
    rpc: Caller, vault: Address, number: int, block: str = "latest"
) -> tuple[Address | None, Hash]:  # fmt: skip
    """A lane's operator and its head at a block. Raises as `Caller.call`, or WrongShape."""
    operator, head = [await _view(rpc, vault, method, number, block=block) for method in ("operator", "head")]
    found = _address(operator, "operator")
    return None if found == ZERO_ADDRESS else found, Hash(head)


async def heads(rpc: Caller, vault: Address, numbers: Sequence[int]) -> list[Hash]:
    """The heads of several lanes in the newest block, in their order and in one batch. Raises as `lane`."""
    calls = [("eth_call", (_call(vault, "head", number), "latest")) for number in numbers]
    return [Hash(_words(each, "head")) for each in await rpc.batch_as(str, calls)]


async def retired(rpc: Caller, vault: Address, number: int, block: str) -> bool:
    """Whether no batch of the lane can ever run again, as of a block. Raises as `lane`."""
    return any(await _view(rpc, vault, "retired", number, block=block))


async def holder(
    rpc: Caller, vault: Address, role: Literal["owner", "guardian", "canceller"]
) -> Address | None:
    """Who has a role of the vault, by the newest block; None for nobody. Raises as `lane`."""
    found = _address(await _view(rpc, vault, role), role)
    return None if found == ZERO_ADDRESS else found


async def available(rpc: Caller, vault: Address, token: Address) -> int:
    """Base units of a token that its rolling limit leaves in the newest block; the vault may hold less.

    Raises: as `lane`.
    """
    return _uint(await _view(rpc, vault, "available", bytes(token)))


async def limit(rpc: Caller, vault: Address, token: Address) -> tuple[int, int]:
    """Base units of a token that may leave in any window, and that window's seconds. Raises: as `lane`."""
    answer = await _view(rpc, vault, "limitOf", bytes(token), words=2)
    return _uint(answer[:32]), _uint(answer[32:])


async def _view(
    rpc: Caller, vault: Address, method: str, *args: object, block: str = "latest", words: int = 1
) -> bytes:
    answer = await rpc.call_as(str, "eth_call", _call(vault, method, *args), block)
    return _words(answer, method, words)


def _call(vault: Address, method: str, *args: object) -> dict[str, str]:
    return {"to": "0x" + vault.hex(), "data": "0x" + artifact("PayoutVault").calldata(method, *args).hex()}


def _words(answer: str, method: str, words: int = 1) -> bytes:
    found = data(answer, method="eth_call")
    if len(found) != 32 * words:
        raise WrongShape(method="eth_call", why=f"{method}() of the vault is not {words} words")
    return found


def _address(word: bytes, method: str) -> Address:
    if any(word[:12]):
        raise WrongShape(method="eth_call", why=f"{method}() of the vault is no address")
    return Address(word[12:])


async def refusal(rpc: Caller, *, sender: Address, vault: Address, calldata: bytes, gas: int) -> str | None:
    """The name of the error the call would end with in the newest block; None when it would not revert.

    A call to which its gas is too little ends with `OUT_OF_GAS`: a token may burn all it is given. Raises:
    RpcError and the others of `Caller.call` when the node says anything else.
    """
    call = {
        "from": "0x" + sender.hex(),
        "to": "0x" + vault.hex(),
        "data": "0x" + calldata.hex(),
        "gas": hex(gas),
    }
    try:
        await rpc.call("eth_call", call, "latest")
    except RpcError as error:
        if error.says is NodeSays.GAS_TOO_LOW:
            return OUT_OF_GAS
        if error.says is not NodeSays.REVERTED:
            raise
        return _error_name(error.data)
    return None


def _error_name(raw: object) -> str:
    """The vault's name for revert data; `unknown` when it is not one of its errors, or none was given."""
    selector = raw[2:10] if isinstance(raw, str) else ""
    for entry in artifact("PayoutVault").abi:
        if entry["type"] == "error":
            kinds = ",".join(parameter["type"] for parameter in entry["inputs"])
            if keccak(f"{entry['name']}({kinds})".encode())[:4].hex() == selector:
                return str(entry["name"])
    return "unknown"


def _batch_paid(log: Log) -> BatchPaid:
    head, attempted, refused = decode(["bytes32", "uint256", "uint256"], log.data)
    _, lane, token, word = log.topics
    return BatchPaid(_uint(lane), Hash(head), Address(token[12:]), _uint(word), attempted, refused)


def _refusal(log: Log) -> tuple[int, bytes]:
    (reason,) = decode(["bytes"], log.data)
    return _uint(log.topics[1]), bytes(reason)


def _uint(topic: bytes) -> int:
    return int.from_bytes(topic, "big")
