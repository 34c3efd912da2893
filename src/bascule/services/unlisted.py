"""Chains that nobody listed, or listed wrongly: what their headers prove of their blocks is learned.

Such a chain is read as Ethereum is. Where that never comes out, because its headers speak of other blocks or
its receipts are spelled otherwise, waiting would be for ever: then its headers prove nothing, and what a
quorum of nodes tells is taken, labelled so. What a node left out looks otherwise, and is waited for.

A chain that was listed wrongly, or whose spelling changed since, would wait as long. There no one node's word
ever counts: several must tell the same receipts, which the sealed blooms bear out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bascule.chain import block_receipts, heads
from bascule.chain import logs as chain_logs
from bascule.chain.caller import Caller
from bascule.chain.errors import IncompleteAnswer
from bascule.chain.families import ETHEREUM, Family
from bascule.chain.heads import Header
from bascule.chain.receipts_root import ReceiptJson, covered, root_of
from bascule.chain.worth import Worth
from bascule.domain.chain import ChainId, Hash, Unproven, caip2
from bascule.domain.errors import Conflict
from bascule.domain.hashing import keccak
from bascule.storage import audit, networks
from bascule.storage.database import Connection

_log = structlog.get_logger()
_BEFORE, _AFTER = 8, 24  # blocks around the one that contradicts its header
_LEAST = 2  # blocks with receipts, none of which adds up
_ROUND = 32  # blocks that are proven together
_LATE = 24  # blocks above one of a listed chain before nobody waits for better answers any more


async def recall(conn: Connection, rpc: Caller, chain_id: ChainId) -> None:
    """What somebody learned of the chain's headers is known to `rpc` when this returns; what an operator had
    forgotten is not.

    Nothing of a listed chain where one node is believed: it was learned while several had to agree. Nor that
    its headers speak of other blocks: that was learned before it was listed.
    """
    unproven = await networks.unproven(conn, chain_id)
    if unproven is None and rpc.worth.kept:
        rpc.worth.again()
    if unproven is None or (rpc.family is not None and (rpc.quorum == 1 or unproven == "blocks")):
        return
    rpc.worth.less(unproven)
    rpc.worth.kept = True


async def keep(conn: Connection, chain_id: ChainId, worth: Worth) -> None:
    """What was learned is known to every process once the caller commits, with a line of audit."""
    if worth.unproven is None or worth.kept:
        return
    if await networks.learn(conn, chain_id, worth.unproven):
        details = {"unproven": worth.unproven}
        await audit.append(
            conn, actor="process:watcher", action="chain.learn", object_id=caip2(chain_id), details=details
        )


async def forget(conn: Connection, chain_id: ChainId, *, reason: str, actor: str = "cli") -> Unproven:
    """What was learned, which counts for nobody any more once the owner's transaction ends: if it is still so
    it is learned anew. What became final by agreement stays.

    Raises: Conflict where nothing was learned.
    """
    was = await networks.unproven(conn, chain_id)
    if was is None:
        raise Conflict(
            "network_unexpected_state",
            f"Headers of {caip2(chain_id)} prove what they always did.",
            next_step="nothing has to be forgotten",
        )
    await networks.forget(conn, chain_id)
    details = {"was": was, "reason": reason}
    await audit.append(conn, actor=actor, action="chain.forget", object_id=caip2(chain_id), details=details)
    return was


async def learn(rpc: Caller, number: int, head: int) -> bool:
    """Looks at the blocks around one whose answers contradict its header; True: they proved worth less.

    A quorum must have the same headers, as nothing need seal them; each node must tell the same by its
    logs and by its receipts, and a quorum the same as one another. Then headers speak of other blocks
    where one has the root of an earlier block's receipts instead of its own; and receipts are spelled
    otherwise where no block's root comes out though every bloom does. Raises as the chain's reads do.
    """
    if not rpc.worth.root:
        return False
    if rpc.family is not None:
        return await _learn_listed(rpc, rpc.family, number, head)
    heights = range(max(0, number - _BEFORE), min(head, number + _AFTER) + 1)
    headers, told = await _told_alike(rpc, ETHEREUM, heights)
    own = [root_of(ETHEREUM, receipts) for receipts in told]
    wrong = [at for at, header in enumerate(headers) if header.receipts_root != own[at]]
    busy = [at for at, receipts in enumerate(told) if receipts]
    earlier = any(headers[at].receipts_root in own[:at] for at in wrong)
    spelled = len(busy) >= _LEAST and set(busy) <= set(wrong) and all(map(_bears_out, headers, told))
    if not earlier and not spelled:
        return False
    rpc.worth.less("blocks" if earlier else "receipts")
    why = "its headers speak of other blocks" if earlier else "its receipts are spelled otherwise"
    _log.warning("an unlisted chain proves nothing by its headers: nodes must agree", why=why)
    return True


async def _learn_listed(rpc: Caller, family: Family, number: int, head: int) -> bool:
    """Of a chain whose spelling is known: True where it is not what we know, as several nodes show.

    number: of the lowest unproven block; the one that keeps it so may be anywhere in its round. That does not
    add up though a quorum tells its receipts alike, as many as it has transactions, and its header's own
    bloom is that of their logs; and the chain went on long since. One node alone never shows that.
    """
    if rpc.quorum == 1 or head < number + _LATE:
        return False
    headers, told = await _told_alike(rpc, family, range(number, min(head - _LATE, number + _ROUND - 1) + 1))
    for header, receipts in zip(headers, told, strict=True):
        if header.sealed and header.receipts_root is not None and _bears_out(header, receipts):
            if root_of(family, receipts) == header.receipts_root:
                continue
            rpc.worth.less("receipts")
            _log.error(
                "receipts are spelled otherwise than this chain's family does: nodes must agree",
                family=family.name,
                block=header.number,
            )
            return True
    return False


async def _told_alike(
    rpc: Caller, family: Family, heights: Sequence[int]
) -> tuple[list[Header], list[list[ReceiptJson]]]:
    """Blocks and their receipts as a quorum has them. Raises: NoQuorum."""
    shown = await rpc.agreed(lambda node: heads.by_numbers(node, heights), _names, settled=False)
    headers = heads.linked(shown)
    told = await rpc.agreed(lambda node: _told(node, family, headers), _digests, settled=False)
    return headers, told


def _names(headers: Sequence[Header | None]) -> list[Hash | None]:
    """What nodes must agree on, header by header: its block, and what it says of logs, receipts and
    transactions.
    """
    return [
        None
        if each is None or each.tx_hashes is None
        else Hash(
            keccak(b"".join((each.hash, each.bloom or b"", each.receipts_root or b"", b"|", *each.tx_hashes)))
        )
        for each in headers
    ]


async def _told(node: Caller, family: Family, headers: Sequence[Header]) -> list[list[ReceiptJson]]:
    """Each block's receipts as a node has them, when its logs are the same."""
    bare = [replace(header, bloom=None) for header in headers]
    logs = await chain_logs.of_blocks(node, bare)
    receipts = await block_receipts.told(node, headers)
    for header, its, theirs in zip(headers, receipts, logs, strict=True):
        if block_receipts.logs(its) != theirs:
            raise IncompleteAnswer(f"block {header.number}: a node's logs are not those of its receipts")
    return [covered(family, (h.number, h.hash), its) for h, its in zip(headers, receipts, strict=True)]


def _digests(told: Sequence[Sequence[ReceiptJson]]) -> list[Hash]:
    """What nodes must agree on, block by block."""
    return [Hash(keccak(repr(receipts).encode())) for receipts in told]


def _bears_out(header: Header, receipts: Sequence[ReceiptJson]) -> bool:
    """Whether the block's bloom is that of its logs."""
    return header.bloom is None or header.bloom == chain_logs.bloom(block_receipts.logs(receipts))
