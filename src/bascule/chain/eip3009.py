"""EIP-3009 as bytes: a token moves money by its holder's signature, once for each nonce the holder chose.

Selectors and events: https://eips.ethereum.org/EIPS/eip-3009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain import block_receipts, erc20, receipts
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.hexes import data, quantity
from bascule.chain.logs import Log
from bascule.domain.authorization import Authorization
from bascule.domain.chain import Address, Hash
from bascule.domain.fees import Fees
from bascule.domain.hashing import keccak

USED = keccak(b"AuthorizationUsed(address,bytes32)")
# The split form: every version of the large tokens has it, the one of whole bytes only the newest.
_PRESENT = keccak(
    b"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
)[:4]
_STATE = keccak(b"authorizationState(address,bytes32)")[:4]
_METHOD = "eth_call"
_ANY_FEES = Fees(0, 0, 21_000)  # what a stranger paid for its transaction is not asked


@dataclass(frozen=True, slots=True)
class Nonce:
    """What a token spends once: a holder's nonce."""

    token: Address
    payer: Address
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Use:
    """A Transfer by an authorization, in its place. amount: base units."""

    tx_hash: Hash
    block_hash: Hash
    log_index: int
    pay_to: Address
    amount: int


class _Log(msgspec.Struct):
    transactionHash: str


def calldata(authorization: Authorization, signature: bytes) -> bytes:
    """The call that presents it. signature: 65 bytes r, s, v with v of 27 or 28 (0 or 1 as well)."""
    assert len(signature) == 65, "a key's signature"
    words = (
        authorization.payer,
        authorization.pay_to,
        _number(authorization.amount),
        _number(authorization.valid_after),
        _number(authorization.valid_before),
        authorization.nonce,
        bytes([signature[64] if signature[64] >= 27 else signature[64] + 27]),
        signature[:32],
        signature[32:64],
    )
    return _PRESENT + b"".join(word.rjust(32, b"\0") for word in words)


async def used(rpc: Caller, nonces: Sequence[Nonce], at: str = "latest") -> list[bool]:
    """Which of these nonces are used, or cancelled, by the end of a block, as one node tells."""
    calls = [(_METHOD, (_asked(each.token, _STATE + _word(each.payer) + each.nonce), at)) for each in nonces]
    return [any(data(answer, method=_METHOD)) for answer in await rpc.batch_as(str, calls)]


async def refusal(rpc: Caller, wallet: Address, token: Address, call: bytes) -> str | None:
    """Why the token would refuse the call of this wallet now; None when it would take it."""
    try:
        await rpc.call_as(str, _METHOD, {"from": "0x" + wallet.hex(), **_asked(token, call)}, "latest")
    except RpcError as error:
        if error.says is not NodeSays.REVERTED and error.data is None:
            raise
        return str(error)[:300]
    return None


async def uses(rpc: Caller, spent: Nonce, since: int) -> list[Use]:
    """The Transfers that came of the nonce in blocks from `since` on, as one node tells; it is for the caller

    to hold them against what is proven. A nonce that was cancelled has none. Raises: as `Caller`.
    """
    topics = ["0x" + topic.hex() for topic in (USED, _word(spent.payer), spent.nonce)]
    wanted = {
        "address": "0x" + spent.token.hex(),
        "topics": topics,
        "fromBlock": quantity(since),
        "toBlock": "latest",
    }
    logs = await rpc.call_as(list[_Log], "eth_getLogs", wanted)
    hashes = [Hash(data(log.transactionHash, 32, method="eth_getLogs")) for log in logs]
    found = [each for each in await receipts.of(rpc, hashes) if each is not None]
    return [use for receipt in found for use in _pairs(receipt, spent)]


async def proven_uses(rpc: Caller, spent: Nonce, tx_hash: Hash) -> list[Use] | None:
    """The Transfers that came of the nonce in one transaction, as its block proves them.

    Where headers prove nothing it is what a quorum tells. None while the node shows the transaction in no
    block. Raises: as `block_receipts.proven`.
    """
    [told] = await receipts.of(rpc, [tx_hash])
    return None if told is None else _pairs(await block_receipts.proven(rpc, told, _ANY_FEES), spent)


def _pairs(receipt: receipts.Receipt, spent: Nonce) -> list[Use]:
    """Each AuthorizationUsed of the nonce with the token's next Transfer out of the payer."""
    theirs = [log for log in receipt.logs if log.address == spent.token]
    moved, _ = erc20.transfers(theirs)
    return [
        Use(receipt.tx_hash, receipt.block_hash, move.log_index, move.dst, move.amount)
        for log in theirs
        if log.topics[:3] == (USED, _word(spent.payer), spent.nonce)
        for move in [_next(moved, log, spent.payer)]
        if move is not None
    ]


def _next(moved: Sequence[erc20.Transfer], log: Log, payer: Address) -> erc20.Transfer | None:
    after = [move for move in moved if move.log_index > log.index]
    return after[0] if after and after[0].src == payer else None


def _asked(token: Address, call: bytes) -> dict[str, str]:
    return {"to": "0x" + token.hex(), "data": "0x" + call.hex()}


def _word(value: bytes) -> bytes:
    return value.rjust(32, b"\0")


def _number(value: int) -> bytes:
    return value.to_bytes(32, "big")
