"""Chains that nobody listed: whether their headers can be held against their blocks is learned, not assumed.

Such a chain is read as Ethereum is. Where that never comes out, because its headers speak of other blocks or
its receipts are spelled otherwise, waiting would be for ever: then its headers prove nothing, and what a
quorum of nodes tells is taken, labelled so. What a node left out looks otherwise, and is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from bascule.chain import block_receipts, heads
from bascule.chain import logs as chain_logs
from bascule.chain.caller import Caller
from bascule.chain.errors import IncompleteAnswer
from bascule.chain.families import ETHEREUM
from bascule.chain.heads import Header
from bascule.chain.receipts_root import ReceiptJson, covered, root_of
from bascule.chain.worth import Worth
from bascule.domain.chain import ChainId, Hash
from bascule.domain.hashing import keccak
from bascule.storage import networks
from bascule.storage.database import Connection

_log = structlog.get_logger()
_BEFORE, _AFTER = 8, 24  # blocks around the one that contradicts its header
_LEAST = 2  # blocks with receipts, none of which adds up


async def recall(conn: Connection, rpc: Caller, chain_id: ChainId) -> None:
    """What somebody learned of the chain's headers is known to `rpc` when this returns."""
    if rpc.family is None and (unproven := await networks.unproven(conn, chain_id)) is not None:
        rpc.worth.less(unproven)


async def keep(conn: Connection, chain_id: ChainId, worth: Worth | None) -> None:
    """What was learned is known to every process once the caller commits; None: nothing can be."""
    if worth is not None and worth.unproven is not None:
        await networks.learn(conn, chain_id, worth.unproven)


async def learn(rpc: Caller, number: int, head: int) -> bool:
    """Looks at the blocks around one whose answers contradict its header; True: they proved worth less.

    A quorum must have the same headers, as nothing need seal them; each node must tell the same by its
    logs and by its receipts, and a quorum the same as one another. Then headers speak of other blocks
    where one has the root of an earlier block's receipts instead of its own; and receipts are spelled
    otherwise where no block's root comes out though every bloom does. Raises as the chain's reads do.
    """
    heights = range(max(0, number - _BEFORE), min(head, number + _AFTER) + 1)
    if rpc.family is not None or not rpc.worth.root:
        return False
    shown = await rpc.agreed(lambda node: heads.by_numbers(node, heights), _names, settled=False)
    headers = heads.linked(shown)
    told = await rpc.agreed(lambda node: _told(node, headers), _digests, settled=False)
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


async def _told(node: Caller, headers: Sequence[Header]) -> list[list[ReceiptJson]]:
    """Each block's receipts as a node has them, when its logs are the same."""
    bare = [replace(header, bloom=None) for header in headers]
    logs = await chain_logs.of_blocks(node, bare)
    receipts = await block_receipts.told(node, headers)
    for header, its, theirs in zip(headers, receipts, logs, strict=True):
        if block_receipts.logs(its) != theirs:
            raise IncompleteAnswer(f"block {header.number}: a node's logs are not those of its receipts")
    return [covered(ETHEREUM, (h.number, h.hash), its) for h, its in zip(headers, receipts, strict=True)]


def _digests(told: Sequence[Sequence[ReceiptJson]]) -> list[Hash]:
    """What nodes must agree on, block by block."""
    return [Hash(keccak(repr(receipts).encode())) for receipts in told]


def _bears_out(header: Header, receipts: Sequence[ReceiptJson]) -> bool:
    """Whether the block's bloom is that of its logs."""
    return header.bloom is None or header.bloom == chain_logs.bloom(block_receipts.logs(receipts))
