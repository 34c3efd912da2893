"""Offering signed bytes to every node of a chain at once, and what each of them says.

One node that takes them is enough. Nothing here is a verdict on money: bytes that no node took may still be
in a pool, and the hash is the one computed from the bytes, whatever a node calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.chain.caller import Caller
from bascule.chain.errors import RpcError
from bascule.chain.node_words import Bytes, of_bytes
from bascule.domain.chain import Hash
from bascule.domain.errors import BasculeError

METHOD = "eth_sendRawTransaction"
ACCEPTED = "accepted"
OTHER_HASH = "other_hash"


@dataclass(frozen=True, slots=True)
class Offer:
    """One node's answer. says: accepted, other_hash, or what its refusal or silence means, by name.

    bytes: what that says of them; words: as the node put it, None when it took them.
    """

    node: str
    says: str
    bytes: Bytes
    words: str | None = None


async def offer(rpc: Caller, raw: bytes, tx_hash: Hash) -> list[Offer]:
    """What every node that may be asked now says to the bytes; empty when none may be."""
    answers = await rpc.everyone(lambda node: node.call(METHOD, "0x" + raw.hex()))
    return [_offer(name, answer, tx_hash) for name, answer in answers]


def unanimous(offers: Sequence[Offer], what: Bytes) -> bool:
    """Whether there are answers, and each of them says just this of the bytes."""
    return bool(offers) and all(each.bytes is what for each in offers)


def _offer(node: str, answer: object, tx_hash: Hash) -> Offer:
    if isinstance(answer, RpcError):
        return Offer(node, answer.says.value, of_bytes(answer.says), answer.message)
    if isinstance(answer, BasculeError):
        return Offer(node, str(getattr(answer, "reason", "unknown")), Bytes.UNKNOWN, str(answer))
    if isinstance(answer, str) and answer.lower() == "0x" + tx_hash.hex():
        return Offer(node, ACCEPTED, Bytes.IN_POOL)
    return Offer(node, OTHER_HASH, Bytes.UNKNOWN, f"the node calls it {answer!r}")
