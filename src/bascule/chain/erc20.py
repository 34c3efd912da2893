"""ERC-20 as bytes: Transfer events by slicing, and the three calls we make."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain.caller import Call, Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import data, number, quantity
from bascule.chain.logs import Log
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak

TRANSFER = keccak(b"Transfer(address,address,uint256)")
_BALANCE_OF = keccak(b"balanceOf(address)")[:4]
_TRANSFER = keccak(b"transfer(address,uint256)")[:4]
_PADDING = bytes(12)
_ZERO = bytes(32)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One ERC-20 Transfer. amount: base units, more than zero.

    occurrence: how many transfers of the same transaction, token and dst precede it, so that it keeps its
    identity when the transaction is mined again elsewhere.
    """

    log_index: int
    tx_hash: Hash
    token: Address
    src: Address
    dst: Address
    amount: int
    occurrence: int


def transfers(logs: Sequence[Log]) -> tuple[list[Transfer], Counter[str]]:
    """A block's transfers in order, and how many logs were passed over, by reason.

    `other_event`: no Transfer; `not_erc20`: a Transfer of another form (ERC-721 has four topics);
    `malformed`: address topics that hold more than an address; `zero_value`: moves nothing, and anyone can
    emit it in another's name.
    """
    found: list[Transfer] = []
    ignored: Counter[str] = Counter()
    seen: Counter[tuple[Hash, Address, Address]] = Counter()
    for log in logs:
        reason = _why_ignored(log)
        if reason is not None:
            ignored[reason] += 1
            continue
        src, dst = Address(log.topics[1][12:]), Address(log.topics[2][12:])
        key = (log.tx_hash, log.address, dst)
        amount = int.from_bytes(log.data, "big")
        found.append(Transfer(log.index, log.tx_hash, log.address, src, dst, amount, seen[key]))
        seen[key] += 1
    return found, ignored


def digest(transfers: Sequence[Transfer]) -> Hash:
    """One hash of a block's transfers with all that they say, in order."""
    parts = [
        t.log_index.to_bytes(4, "big") + t.tx_hash + t.token + t.src + t.dst + t.amount.to_bytes(32, "big")
        for t in transfers
    ]
    return Hash(keccak(b"".join(parts)))


def _why_ignored(log: Log) -> str | None:
    if not log.topics or log.topics[0] != TRANSFER:
        return "other_event"
    if len(log.topics) != 3 or len(log.data) != 32:
        return "not_erc20"
    if not (log.topics[1].startswith(_PADDING) and log.topics[2].startswith(_PADDING)):
        return "malformed"
    return "zero_value" if log.data == _ZERO else None


def transfer_calldata(to: Address, amount: int) -> bytes:
    """The input of `transfer(to, amount)`. amount: base units."""
    return _TRANSFER + _PADDING + to + amount.to_bytes(32, "big")


def balance_calldata(owner: Address) -> bytes:
    """The input of `balanceOf(owner)`."""
    return _BALANCE_OF + _PADDING + owner


async def balances(rpc: Caller, pairs: Sequence[tuple[Address, Address]], height: int) -> list[int]:
    """What each (token, owner) pair holds at the end of a block, in base units and in order.

    The token of twenty zero bytes is the native coin; an address without code holds nothing of anyone's.
    Raises: WrongShape when a contract there is no token.
    """
    answers = await rpc.batch_as(str, [_balance_call(token, owner, height) for token, owner in pairs])
    silent = sorted({token for (token, _), answer in zip(pairs, answers, strict=True) if answer == "0x"})
    codes = await rpc.batch_as(str, [("eth_getCode", ("0x" + t.hex(), quantity(height))) for t in silent])
    empty = {token for token, code in zip(silent, codes, strict=True) if code == "0x"}
    return [
        0 if token in empty else _balance(token, answer)
        for (token, _), answer in zip(pairs, answers, strict=True)
    ]


async def may_move(rpc: Caller, token: Address, owner: Address, height: int) -> bool:
    """Whether the token lets the address move it after a block, by a transfer of nothing to itself.

    Tokens that refuse to move nothing refuse this too. Raises as `Caller.call`.
    """
    name = "0x" + owner.hex()
    call = {"from": name, "to": "0x" + token.hex(), "data": "0x" + transfer_calldata(owner, 0).hex()}
    try:
        await rpc.call_as(str, "eth_call", call, quantity(height))
    except RpcError as error:
        if error.says is not NodeSays.REVERTED and error.data is None:
            raise
        return False
    return True


def _balance_call(token: Address, owner: Address, height: int) -> Call:
    if not any(token):
        return "eth_getBalance", ("0x" + owner.hex(), quantity(height))
    call = {"to": "0x" + token.hex(), "data": "0x" + balance_calldata(owner).hex()}
    return "eth_call", (call, quantity(height))


def _balance(token: Address, answer: str) -> int:
    if any(token):
        return int.from_bytes(data(answer, 32, method="eth_call"), "big")
    return number(answer, method="eth_getBalance")
