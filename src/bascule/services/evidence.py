"""Evidence: what proves the deposits of a block, or payouts in it, is kept as branches of its receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain import block_receipts, deposit_evidence, heads
from bascule.chain.caller import Caller
from bascule.chain.errors import RpcError
from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import spelled
from bascule.chain.heads import Header
from bascule.chain.receipts_root import ReceiptJson
from bascule.domain.chain import ChainId, Hash
from bascule.domain.errors import Retryable
from bascule.services.seams import Clock
from bascule.storage import deposit_proofs
from bascule.storage.database import Connection, Database
from bascule.storage.deposit_proofs import EVERY_LOG, Kept

BLOCKS_AT_ONCE = 32  # asked for again


class EvidenceMissing(Retryable):
    """A deposit was to become final whose evidence is not kept; it came meanwhile, and the next step asks."""


@dataclass(frozen=True)
class Evidence:
    """Keeps the evidence of one chain's deposits and payouts, of those alone."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    clock: Clock

    async def of_proven(self, receipts: Mapping[Header, list[ReceiptJson]]) -> list[Kept]:
        """The evidence of what these blocks hold for us, out of their receipts, which are proven."""
        async with self.db.read() as conn:
            missing = await deposit_proofs.missing_in(conn, self.chain_id, [each.hash for each in receipts])
        return self._kept(receipts, missing)

    async def of_agreed(self, agreed: Mapping[Hash, Hash]) -> list[Kept]:
        """The evidence of what these blocks hold for us: the digest of transfers that nodes agreed on."""
        async with self.db.read() as conn:
            missing = await deposit_proofs.missing_in(conn, self.chain_id, list(agreed))
        return [Kept(block_hash, *EVERY_LOG, agreement=agreed[block_hash]) for block_hash in missing]

    async def asked_again(self, number: int) -> tuple[list[Kept], bool]:
        """The evidence that deposits up to a height still lack: of blocks proven before they were ours.

        Of the lowest `BLOCKS_AT_ONCE` blocks, and whether that is all. Where headers were learned since to
        prove nothing, it is the digest of what was proven then. Raises as the chain's reads do; finality
        waits.
        """
        async with self.db.read() as conn:
            lacking = await deposit_proofs.missing_upto(conn, self.chain_id, number, BLOCKS_AT_ONCE)
        whole = len({each.block_hash for each in lacking}) < BLOCKS_AT_ONCE
        missing: dict[Hash, list[int]] = {}
        for each in lacking:
            if each.verified == "receipts":
                missing.setdefault(each.block_hash, []).append(each.log_index)
        receipts = await self._receipts(list(missing))
        shown = {header.hash for header in receipts}
        agreed = {each.block_hash: each.transfers_digest for each in lacking if each.block_hash not in shown}
        rows = [Kept(name, *EVERY_LOG, agreement=digest) for name, digest in agreed.items()]
        return rows + self._kept(receipts, missing), whole

    async def of_logs(self, places: Mapping[Hash, Sequence[int]]) -> list[Kept]:
        """The evidence of these logs of final blocks; of blocks whose headers prove nothing there is none.

        Raises as the chain's reads do.
        """
        return self._kept(await self._receipts(list(places)), places)

    async def keep(self, conn: Connection, kept: Sequence[Kept]) -> None:
        """Writes what was found, in the caller's transaction."""
        await deposit_proofs.record(conn, self.chain_id, kept, self.rpc.names, self.clock.now())

    async def require(self, conn: Connection, ids: Sequence[str]) -> None:
        """Returns when none of these deposits lacks its evidence. Raises: EvidenceMissing."""
        if count := await deposit_proofs.count_missing(conn, ids):
            raise EvidenceMissing(f"{count} deposits of chain {self.chain_id} lack their evidence")

    async def _receipts(self, hashes: Sequence[Hash]) -> dict[Header, list[ReceiptJson]]:
        """Of those of the blocks whose headers prove them."""
        headers = await self._headers(hashes)
        proving = [each for each in headers if each.sealed and each.receipts_root is not None]
        return dict(zip(proving, await block_receipts.of_blocks(self.rpc, proving), strict=True))

    async def _headers(self, hashes: Sequence[Hash]) -> list[Header]:
        headers = [header for header in await heads.by_hashes(self.rpc, hashes) if header is not None]
        if len(headers) < len(hashes):
            raise RpcError(method=heads.BY_HASH, code=0, message="unknown block, of those that become final")
        return headers

    def _kept(
        self, receipts: Mapping[Header, list[ReceiptJson]], missing: Mapping[Hash, Sequence[int]]
    ) -> list[Kept]:
        rows: list[Kept] = []
        family = self.rpc.family or ETHEREUM
        for header, answer in receipts.items():
            if header.hash not in missing:
                continue
            assert header.members is not None, "a sealed header has its members"
            members = spelled(family, header.members)
            for proof in deposit_evidence.proofs(family, members, answer, missing[header.hash]):
                last = proof.logs_before + len(proof.receipt["logs"]) - 1
                rows.append(Kept(header.hash, proof.logs_before, last, msgspec.json.encode(proof).decode()))
        return rows
