"""The prover: what was read is held against what the chain agreed on, before anything of it is final.

Reading trusts a node's logs as far as the bloom goes. The bloom says nothing of amounts, nor of a second log
with the same addresses; the root of the receipts does. A block whose receipts tell of other transfers was
misread: the chain goes back behind it and it is read again, from its receipts. What tokens and
factories say of themselves is put right where the proof shows it otherwise, and only what is proven ends a
pause, or takes a scheduled collector back.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import takewhile

import structlog

from bascule.chain import block_receipts, erc20, heads, logs
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeUnreachable, RpcError
from bascule.chain.evidence import Exchange, Heard
from bascule.chain.heads import Header
from bascule.chain.logs import Log
from bascule.chain.receipts_root import ReceiptJson
from bascule.domain.chain import Hash, hex32
from bascule.services.evidence import Evidence
from bascule.services.failpoints import Failpoints
from bascule.services.reading import Reader, digests, provable
from bascule.services.reorgs import Reorgs
from bascule.services.token_watch import TokenWatch
from bascule.storage import blocks, leases
from bascule.storage.blocks import Cursor, Read, Verified
from bascule.storage.contract_events import ContractEvent
from bascule.storage.database import Database
from bascule.storage.deposit_proofs import Kept
from bascule.storage.leases import Lease

_log = structlog.get_logger()
Proven = Mapping[Verified, Sequence[Header]]


@dataclass(frozen=True)
class Prover:
    """Proves the blocks behind the finalized one, lowest first, so many a round.

    told: receipts of a round that a node refused in part, so that only the rest is asked for again.
    """

    db: Database
    rpc: Caller
    reader: Reader
    reorgs: Reorgs
    evidence: Evidence
    token_watch: TokenWatch
    failpoints: Failpoints
    counters: Counter[str]
    blocks_per_round: int = 32
    told: dict[Hash, list[ReceiptJson]] = field(default_factory=dict)

    async def prove(self, cursor: Cursor, lease: Lease) -> int:
        """Proves the next blocks; how many, or how many had to be taken back. 0: nothing can be proven now.

        Raises as the chain's reads do; nothing was written then, and finality waits.
        """
        async with self.db.read() as conn:
            waiting = await blocks.unproven(conn, cursor.chain_id, self.blocks_per_round)
        headers = await heads.named(self.rpc, [block.ref.hash for block in waiting])
        known = heads.linked(headers)
        if len(known) < len(headers):  # a node that lags, refuses or forked tells nothing of the others
            self.counters["blocks_unknown_to_the_prover"] += len(headers) - len(known)
            waiting = waiting[: len(known)]
        absent = [header for header in known if self.reader.holds_nothing(header)]
        by_receipts = [header for header in known if provable(header) and header not in absent]
        read_from = self.reader.told.heard.tellers([block.ref.hash for block in waiting])
        other = self.rpc.other(than=read_from)
        heard = Heard()
        receipts = await self._receipts(other, known, by_receipts, heard)
        known = [*takewhile(lambda header: header in receipts or header not in by_receipts, known)]
        waiting, absent = waiting[: len(known)], [header for header in absent if header in known]
        receipts = {header: told for header, told in receipts.items() if header in known}
        agreed = [header for header in known if header not in absent and header not in receipts]
        found = {header: block_receipts.logs(each) for header, each in receipts.items()}
        again = await logs.agreed_of_blocks(other, agreed, self.reader.said)
        found |= dict(zip(agreed, again, strict=True))
        told = _told(found) | dict.fromkeys((header.hash for header in absent), erc20.digest([]))
        wrong = next((block for block in waiting if block.digest != told[block.ref.hash]), None)
        if wrong is not None:
            return await self._take_back(cursor, lease, wrong, heard.of(wrong.ref.hash))
        kept = await self.evidence.of_proven(receipts)
        kept += await self.evidence.of_agreed({header.hash: told[header.hash] for header in agreed})
        words = [
            word for header, block_logs in found.items() for word in self.reader.words(header, block_logs)
        ]
        proven: Proven = {"absent": absent, "receipts": [*receipts], "quorum": agreed}
        await self.keep(cursor, lease, proven, kept, words)
        return len(waiting)

    async def _receipts(
        self, rpc: Caller, known: Sequence[Header], wanted: Sequence[Header], heard: Heard
    ) -> dict[Header, list[ReceiptJson]]:
        """The receipts of the wanted among the known; of some where nobody has the rest yet, as those of the
        newest block may come later than its header. Raises: what refused the lowest known block.
        """
        self._forget({header.hash for header in wanted})
        try:
            answers = await block_receipts.of_blocks(rpc, wanted, heard, self.told)
        except (RpcError, NodeUnreachable) as refusal:
            if known[0] in wanted and known[0].hash not in self.told:
                raise
            _log.debug("receipts are not told yet", why=str(refusal))
            self.counters["proofs_cut_short"] += 1
            return {header: self.told[header.hash] for header in wanted if header.hash in self.told}
        self.told.clear()
        return dict(zip(wanted, answers, strict=True))

    def _forget(self, but: AbstractSet[Hash]) -> None:
        """What was told of blocks that are not asked about now, as after a reorg."""
        for block_hash in self.told.keys() - but:
            del self.told[block_hash]

    async def keep(
        self,
        cursor: Cursor,
        lease: Lease,
        proven: Proven,
        kept: Sequence[Kept],
        words: Sequence[ContractEvent] = (),
    ) -> None:
        """Blocks are proven, evidence is kept, and contracts said there what the proof shows."""
        if not any(proven.values()) and not kept:
            return
        names = [header.hash for headers in proven.values() for header in headers]
        async with self.db.transaction() as conn:
            await leases.hold(conn, lease)
            for verified, headers in proven.items():
                if headers:
                    await blocks.prove(conn, cursor.chain_id, [header.hash for header in headers], verified)
            await self.evidence.keep(conn, kept)
            await self.token_watch.prove(conn, names, words)
            self.failpoints.hit("watcher.before_proof")
        self.failpoints.hit("watcher.after_proof")
        self.reader.told.heard.proven(names)
        for verified, headers in proven.items():
            self.counters[f"blocks_proven_{verified}"] += len(headers)

    async def _take_back(
        self, cursor: Cursor, lease: Lease, wrong: Read, proof: tuple[str, Exchange] | None
    ) -> int:
        """Goes behind the block, and keeps what was said of it beside what proves that wrong."""
        self.reader.misread.add(wrong.ref.hash)
        self.counters["blocks_misread"] += 1
        _log.error("a block was misread", chain_id=cursor.chain_id, number=wrong.ref.number)
        said = self.reader.told.heard.of(wrong.ref.hash)
        if said is not None:  # not since a restart
            block = f"block {wrong.ref.number} {hex32(wrong.ref.hash)}"
            self.rpc.refute(
                said, proof, f"{block}: the logs tell of other transfers than what proves the block"
            )
        return await self.reorgs.go_behind(cursor, wrong.ref, lease)


def _told(blocks_logs: Mapping[Header, Sequence[Log]]) -> dict[Hash, Hash]:
    """The digest of each block's transfers."""
    names = [header.hash for header in blocks_logs]
    return dict(zip(names, digests([*blocks_logs.values()]), strict=True))
