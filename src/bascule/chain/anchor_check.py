"""Whether the chain says of anchors what an export says. The node is taken at its word: ask your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain import nonces
from bascule.chain.caller import Caller
from bascule.chain.hexes import data, number
from bascule.domain import anchor
from bascule.domain.anchor import Sent
from bascule.domain.chain import Address, checksum, hex32
from bascule.domain.errors import Retryable

_METHOD = "eth_getTransactionByHash"


class _Transaction(msgspec.Struct, rename={"sender": "from"}):
    sender: str
    nonce: str
    input: str
    blockNumber: str | None = None


@dataclass(frozen=True, slots=True)
class OnChain:
    """anchored: the newest seal whose head is final on chain, 0 for none; wrong: the first thing that is not
    as the export says.
    """

    anchored: int
    wrong: str | None


async def check(rpc: Caller, wallet: Address, sent: Sequence[Sent]) -> OnChain:
    """The wallet's transactions on this chain against what an export says that it sent there.

    wallet: as it is known from elsewhere. Whoever leaves out anything that it sent, or names another wallet,
    is found out by its nonces. Raises: Retryable when the node's final block is behind the export.
    """
    chain_id = number(await rpc.call_as(str, "eth_chainId"), method="eth_chainId")
    here = [each for each in sent if each.chain_id == chain_id]
    for each in here:
        if each.wallet != wallet:
            return OnChain(0, f"{hex32(each.tx_hash)} is said to be of {checksum(each.wallet)}")
    known = max((each.nonce + 1 for each in here), default=0)
    count = await nonces.count(rpc, wallet, "finalized")
    if count < known:
        raise Retryable(
            f"the node has {count} final transactions of the wallet, the export {known}; ask again"
        )
    anchored = 0
    for each in here:
        if (wrong := await _wrong(rpc, each)) is not None:
            return OnChain(anchored, wrong)
        anchored = max(anchored, 0 if each.says is None else each.says.seal)
    if (wrong := _left_out([each.nonce for each in here])) is not None:
        return OnChain(anchored, wrong)
    if count > known:
        told = f"the wallet sent {count} transactions, the export knows {known}"
        return OnChain(anchored, f"{told}: export anew; if that stays, anchors were taken out")
    return OnChain(anchored, None)


def _left_out(nonces: Sequence[int]) -> str | None:
    """The first nonce that is missing or stands twice: a later head says nothing of those before it, as the
    signer signs for whatever follows.
    """
    for expected, nonce in enumerate(sorted(nonces)):
        if nonce > expected:
            return (
                f"what the wallet sent with nonce {expected} is not in the export: anchors were taken out, or"
                " an older backup was put back"
            )
        if nonce < expected:
            return f"what the wallet sent with nonce {nonce} stands in the export twice"
    return None


async def _wrong(rpc: Caller, each: Sent) -> str | None:
    name = hex32(each.tx_hash)
    told = await rpc.call_as(_Transaction | None, _METHOD, name)  # type: ignore[arg-type]  # a union is a shape
    if told is None or told.blockNumber is None:
        return f"{name} is not on the chain"
    if (
        data(told.sender, 20, method=_METHOD) != each.wallet
        or number(told.nonce, method=_METHOD) != each.nonce
    ):
        return f"{name} is another transaction than the export says"
    found = anchor.read(data(told.input, method=_METHOD))
    if found != each.says:
        says = "no head" if found is None else f"head {found.head} of seal {found.seal}"
        return f"{name} anchored {says} on chain: history was rewritten"
    return None
