"""Reading: what blocks hold, as far as a node's word and their blooms go; the prover holds it against more.

Nobody is asked about a block whose bloom holds no Transfer. Others are read from the node's logs, which must
add up to the bloom, or from their receipts where a node was wrong about them before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bascule.chain import block_receipts, erc20
from bascule.chain import logs as chain_logs
from bascule.chain.bloom import may_hold
from bascule.chain.caller import Caller
from bascule.chain.heads import Header
from bascule.chain.logs import Log
from bascule.domain.chain import ChainId, Hash
from bascule.storage.blocks import Read
from bascule.storage.transfers import Transfer

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: blocks in order, and all transfers in them."""

    blocks: list[Read]
    transfers: list[Transfer]


@dataclass(frozen=True)
class Reader:
    """Reads blocks of one chain.

    misread: blocks that a node told us wrongly; they are read from their receipts.
    """

    rpc: Caller
    chain_id: ChainId
    counters: Counter[str]
    misread: set[Hash] = field(default_factory=set)

    async def read(self, headers: Sequence[Header], *, proven: bool = False) -> Reading:
        """All transfers in these blocks. proven: from receipts wherever a block's header has their root.

        Raises: IncompleteAnswer when an answer contradicts the header; WrongShape, RpcError, NodeUnreachable.
        """
        asked = [header for header in headers if not holds_no_transfer(header)]
        by_receipts = [h for h in asked if provable(h) and (proven or h.hash in self.misread)]
        by_logs = [header for header in asked if header not in by_receipts]
        told = [*zip(by_logs, await chain_logs.of_blocks(self.rpc, by_logs), strict=True)]
        told += zip(by_receipts, await block_receipts.logs_of(self.rpc, by_receipts), strict=True)
        return self._reading(headers, {header.hash: logs for header, logs in told})

    def _reading(self, headers: Sequence[Header], told: dict[Hash, list[Log]]) -> Reading:
        reading = Reading([], [])
        ignored: Counter[str] = Counter()
        for header in headers:
            moved, passed_over = erc20.transfers(told.get(header.hash, []))
            ignored += passed_over
            reading.blocks.append(Read(header.ref, "bloom", erc20.digest(moved)))
            reading.transfers.extend(_row(header, transfer) for transfer in moved)
        if ignored:
            self.counters.update({f"logs_ignored_{reason}": count for reason, count in ignored.items()})
            _log.info("logs passed over", chain_id=self.chain_id, upto=headers[-1].number, **ignored)
        return reading


def holds_no_transfer(header: Header) -> bool:
    """Whether the block's own bloom rules every ERC-20 Transfer out."""
    return header.sealed and header.bloom is not None and not may_hold(header.bloom, erc20.TRANSFER)


def provable(header: Header) -> bool:
    """Whether the block's receipts can be held against its header."""
    return header.sealed and header.receipts_root is not None


def _row(header: Header, found: erc20.Transfer) -> Transfer:
    return Transfer(
        block_hash=header.hash,
        log_index=found.log_index,
        block_number=header.number,
        tx_hash=found.tx_hash,
        token=found.token,
        src=found.src,
        dst=found.dst,
        amount=found.amount,
        occurrence=found.occurrence,
    )
