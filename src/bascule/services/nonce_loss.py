"""Whether somebody else used a slot's nonce: said by final blocks as two nodes have them, never by one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from bascule.chain import heads, nonces, receipts
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import BasculeError

NODES_NEEDED = 2


class Loss(StrEnum):
    """What is known of a slot's nonce that no transaction of ours was found to use."""

    NONE = "none"
    SUSPECTED = "suspected"
    CERTAIN = "certain"


class Witness(msgspec.Struct, frozen=True):
    """One node's word. knows: it has our final block; used: the wallet's count there is above the nonce;

    absent: it knows none of the slot's hashes in any block; remembers: it would, as it knows an older one.
    """

    knows: bool
    used: bool
    absent: bool
    remembers: bool = True

    @property
    def accuses(self) -> bool:
        """Whether it says that the nonce is gone, and not by us."""
        return self.knows and self.used and self.absent


async def look(
    rpc: Caller,
    wallet: Address,
    nonce: int,
    hashes: Sequence[Hash],
    final: BlockRef,
    older: Hash | None = None,
) -> Loss:
    """What the nodes' words together say; who fails to answer says nothing.

    older: a final transaction of the wallet before this nonce. A node that forgot that one may have forgotten
    ours too, so that its word makes nothing certain.
    """

    async def ask(node: Caller) -> Witness:
        header = await heads.by_number(node, final.number)
        count = await nonces.count(node, wallet, hex(final.number))
        found = await receipts.of(node, hashes)
        remembers = older is None or (await receipts.of(node, [older]))[0] is not None
        return Witness(
            knows=header is not None and header.hash == final.hash,
            used=count > nonce,
            absent=all(receipt is None for receipt in found),
            remembers=remembers,
        )

    answers = await rpc.everyone(ask)
    return judge([told for _, told in answers if not isinstance(told, BasculeError)])


def judge(told: Sequence[Witness]) -> Loss:
    """Certain when two nodes that would remember accuse, and none that knows the block contradicts them."""
    accusers = [each for each in told if each.accuses]
    if not accusers:
        return Loss.NONE
    defended = any(each.knows and not each.accuses for each in told)
    sure = sum(each.remembers for each in accusers) >= NODES_NEEDED
    return Loss.CERTAIN if sure and not defended else Loss.SUSPECTED
