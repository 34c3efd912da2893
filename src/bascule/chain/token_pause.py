"""Whether a token is paused for everybody, asked before money is given a nonce."""

from bascule.chain.caller import Caller
from bascule.chain.erc20 import transfer_calldata
from bascule.chain.errors import NodeSays, RpcError, WrongShape
from bascule.chain.hexes import data
from bascule.chain.issuer_words import IssuerSays, read
from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

_PAUSED = keccak(b"paused()")[:4]
_NO = bytes(32)
_YES = (1).to_bytes(32, "big")
# Where code breaks off without a revert (an old `assert`, gas all burnt), each client has its own words.
_TOKENS_DOING = frozenset({NodeSays.REVERTED, NodeSays.GAS_TOO_LOW, NodeSays.UNKNOWN})


async def is_paused(rpc: Caller, token: Address, holder: Address, amount: int) -> bool:
    """Whether the token refuses, in the newest block, to move what its holder has, and says it is paused.

    Tried with a transfer to the holder itself, so that no payee has a say in it; said by the issuer's words
    or by `paused()`, as some tokens (Tether's) refuse without a word. A token that says so and moves all the
    same is not paused. amount: base units that the holder has. Raises as `Caller.call`.
    """
    answer, refused = await _ask(rpc, token, transfer_calldata(holder, amount), holder)
    if not refused and answer != _NO:
        return False
    if read(answer, holder) is IssuerSays.PAUSED:
        return True
    said, unknown = await _ask(rpc, token, _PAUSED, holder)
    return said == _YES and not unknown


async def _ask(rpc: Caller, token: Address, calldata: bytes, sender: Address) -> tuple[bytes, bool]:
    """The token's answer in the newest block, and whether it reverted with it, or broke off.

    Where a node leaves a revert's data out, or spells it in its own way, the token gave no reason. What is
    the token's doing never holds up the lane, which has other tokens to pay.
    """
    call = {"from": "0x" + sender.hex(), "to": "0x" + token.hex(), "data": "0x" + calldata.hex()}
    try:
        return data(await rpc.call_as(str, "eth_call", call, "latest"), method="eth_call"), False
    except RpcError as error:
        if error.says not in _TOKENS_DOING and error.data is None:
            raise
        told = error.data
    try:
        return data(told, method="eth_call") if isinstance(told, str) else b"", True
    except WrongShape:
        return b"", True
