"""Whether a token moves nothing of a holder for now, asked before money is given a nonce."""

from enum import StrEnum

from bascule.chain.caller import Caller
from bascule.chain.erc20 import transfer_calldata
from bascule.chain.errors import NodeSays, RpcError, WrongShape
from bascule.chain.hexes import data
from bascule.chain.issuer_words import IssuerSays, read
from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

_PAUSED = keccak(b"paused()")[:4]
# Circle's, Tether's, Paxos's, and that of public mappings: each asks for the one address.
_FROZEN = tuple(
    keccak(f"{name}(address)".encode())[:4]
    for name in ("isBlacklisted", "isBlackListed", "isFrozen", "frozen")
)
_NO = bytes(32)
_YES = (1).to_bytes(32, "big")
# Where code breaks off without a revert (an old `assert`, gas all burnt), each client has its own words.
_TOKENS_DOING = frozenset({NodeSays.REVERTED, NodeSays.GAS_TOO_LOW, NodeSays.UNKNOWN})


class Stop(StrEnum):
    """Why a token moves nothing of a holder: for nobody, or not of this holder."""

    PAUSED = "paused"
    HOLDER_FROZEN = "holder_frozen"


async def stopped(rpc: Caller, token: Address, holder: Address, amount: int) -> Stop | None:
    """Why the token refuses, in the newest block, to move what its holder has; None where it does not say.

    Tried with a transfer to the holder itself, so that no payee has a say in it; said by the issuer's words,
    or by `paused()` and its list, as some tokens (Tether's) refuse without a word. A token that says so and
    moves all the same is not stopped. amount: base units that the holder has. Raises as `Caller.call`.
    """
    answer, refused = await _moved(rpc, token, transfer_calldata(holder, amount), holder)
    if not refused and answer != _NO:
        return None
    match read(answer, holder):
        case IssuerSays.PAUSED:
            return Stop.PAUSED
        case IssuerSays.SOMEBODY_FROZEN | IssuerSays.PAYEE_FROZEN:  # sender and payee are the holder
            return Stop.HOLDER_FROZEN
    listed = [selector + holder.rjust(32, b"\0") for selector in _FROZEN]
    paused, *frozen = await _says_yes(rpc, token, [_PAUSED, *listed], holder)
    if paused:
        return Stop.PAUSED
    return Stop.HOLDER_FROZEN if any(frozen) else None


async def moves(rpc: Caller, token: Address, holder: Address, amount: int) -> bool:
    """Whether the token now moves what its holder has to the holder itself. Raises as `stopped`."""
    answer, refused = await _moved(rpc, token, transfer_calldata(holder, amount), holder)
    return not refused and answer != _NO


async def _moved(rpc: Caller, token: Address, calldata: bytes, sender: Address) -> tuple[bytes, bool]:
    """The token's answer in the newest block, and whether it reverted with it, or broke off."""
    try:
        return _heard(await rpc.call_as(str, "eth_call", _call(token, calldata, sender), "latest"))
    except RpcError as error:
        return _heard(error)


async def _says_yes(rpc: Caller, token: Address, calls: list[bytes], sender: Address) -> list[bool]:
    """Which of these questions the token answers with yes, in the newest block."""

    async def ask(node: Caller) -> list[bool]:
        asked = [("eth_call", (_call(token, calldata, sender), "latest")) for calldata in calls]
        return [_heard(each) == (_YES, False) for each in await node.batch_each(str, asked)]

    return await rpc.checked(ask)


def _call(token: Address, calldata: bytes, sender: Address) -> dict[str, str]:
    return {"from": "0x" + sender.hex(), "to": "0x" + token.hex(), "data": "0x" + calldata.hex()}


def _heard(told: str | RpcError) -> tuple[bytes, bool]:
    """What the token said, and whether it refused with that.

    Where a node leaves a revert's data out, or spells it in its own way, the token gave no reason. What is
    the token's doing never holds up the lane, which has other tokens to pay. Raises: RpcError of the node's.
    """
    if isinstance(told, str):
        return data(told, method="eth_call"), False
    if told.says not in _TOKENS_DOING and told.data is None:
        raise told
    try:
        return data(told.data, method="eth_call") if isinstance(told.data, str) else b"", True
    except WrongShape:
        return b"", True
