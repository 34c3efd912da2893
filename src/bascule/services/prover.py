"""The prover: what was read is held against what the chain agreed on, before anything of it is final.

Reading trusts a node's logs as far as the bloom goes. The bloom says nothing of amounts, nor of a second log
with the same addresses; the root of the receipts does. A block whose receipts tell of other transfers was
misread: the chain goes back behind it and it is read again, from its receipts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from bascule.chain import block_receipts, erc20, heads, logs
from bascule.chain.caller import Caller
from bascule.chain.heads import Header
from bascule.chain.logs import Log
from bascule.domain.chain import Hash
from bascule.services.evidence import Evidence
from bascule.services.failpoints import Failpoints
from bascule.services.reading import Reader, digests, holds_no_transfer, provable
from bascule.services.reorgs import Reorgs
from bascule.storage import blocks, leases
from bascule.storage.blocks import Cursor, Read, Verified
from bascule.storage.database import Database
from bascule.storage.deposit_proofs import Kept
from bascule.storage.leases import Lease

_log = structlog.get_logger()


@dataclass(frozen=True)
class Prover:
    """Proves the blocks behind the finalized one, lowest first, so many a round."""

    db: Database
    rpc: Caller
    reader: Reader
    reorgs: Reorgs
    evidence: Evidence
    failpoints: Failpoints
    counters: Counter[str]
    blocks_per_round: int = 32

    async def prove(self, cursor: Cursor, lease: Lease) -> int:
        """Proves the next blocks; how many, or how many had to be taken back. 0: nothing can be proven now.

        Raises as the chain's reads do; nothing was written then, and finality waits.
        """
        async with self.db.read() as conn:
            waiting = await blocks.unproven(conn, cursor.chain_id, self.blocks_per_round)
        headers = await heads.by_hashes(self.rpc, [block.ref.hash for block in waiting])
        known = [header for header in headers if header is not None]
        if len(known) < len(headers):  # a node that lags or is on another fork tells nothing of these
            self.counters["blocks_unknown_to_the_prover"] += len(headers) - len(known)
            return 0
        absent = [header for header in known if holds_no_transfer(header)]
        by_receipts = [header for header in known if provable(header) and header not in absent]
        agreed = [header for header in known if header not in absent and header not in by_receipts]
        other = self.rpc.other()  # not the one that was read
        receipts = dict(zip(by_receipts, await block_receipts.of_blocks(other, by_receipts), strict=True))
        told = _told({header: block_receipts.logs(each) for header, each in receipts.items()})
        again = await logs.agreed_of_blocks(other, agreed, digests)
        told |= _told(dict(zip(agreed, again, strict=True)))
        told |= dict.fromkeys((header.hash for header in absent), erc20.digest([]))
        wrong = next((block for block in waiting if block.digest != told[block.ref.hash]), None)
        if wrong is not None:
            return await self._take_back(cursor, lease, wrong)
        kept = await self.evidence.of_proven(receipts)
        kept += await self.evidence.of_agreed({header.hash: told[header.hash] for header in agreed})
        await self._keep(cursor, lease, {"absent": absent, "receipts": by_receipts, "quorum": agreed}, kept)
        return len(waiting)

    async def _keep(
        self, cursor: Cursor, lease: Lease, proven: dict[Verified, list[Header]], kept: list[Kept]
    ) -> None:
        if not any(proven.values()):
            return
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            for verified, headers in proven.items():
                if headers:
                    await blocks.prove(conn, cursor.chain_id, [header.hash for header in headers], verified)
            await self.evidence.keep(conn, kept)
            self.failpoints.hit("watcher.before_proof")
        self.failpoints.hit("watcher.after_proof")
        for verified, headers in proven.items():
            self.counters[f"blocks_proven_{verified}"] += len(headers)

    async def _take_back(self, cursor: Cursor, lease: Lease, wrong: Read) -> int:
        self.reader.misread.add(wrong.ref.hash)
        self.counters["blocks_misread"] += 1
        _log.error("a block was misread", chain_id=cursor.chain_id, number=wrong.ref.number)
        return await self.reorgs.go_behind(cursor, wrong.ref, lease)


def _told(blocks_logs: Mapping[Header, Sequence[Log]]) -> dict[Hash, Hash]:
    """The digest of each block's transfers."""
    names = [header.hash for header in blocks_logs]
    return dict(zip(names, digests([*blocks_logs.values()]), strict=True))
