"""A chain's facts, read afresh: what moved in its final blocks, what those cost us, what we held at first.

Nothing that we stored of the chain is believed but its last final block's hash and where to begin: blocks
must follow each other by hash up to that block, and their transfers are proven by their receipts' roots, or
told by a quorum where headers prove nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog

from bascule.chain import block_receipts, erc20, heads, receipts
from bascule.chain.caller import Caller
from bascule.chain.errors import NodeSays, RpcError
from bascule.chain.heads import Header
from bascule.chain.receipts import Receipt
from bascule.domain.chain import BlockRef, Hash, hex32
from bascule.domain.errors import Halted, Retryable
from bascule.services import unlisted
from bascule.services.outflows import by_no_batch
from bascule.services.reading import Reader
from bascule.storage import transfers
from bascule.storage.database import Database
from bascule.storage.rebuild import chain_facts
from bascule.storage.rebuild.chain_facts import Opened, Signed, Stretch

AT_ONCE = 32  # blocks, transactions, balances
_log = structlog.get_logger()


class ChainDiffers(Halted):
    """The nodes show another chain than the one whose last final block our books are about."""


@dataclass(frozen=True)
class ChainFacts:
    """Reads one chain into a database that is not ours; `live` is asked what was learned of its headers."""

    live: Database
    into: Database
    rpc: Caller
    stretch: Stretch

    async def read(self) -> AsyncIterator[int]:
        """All of it; after each part, how many blocks were read.

        Raises: ChainDiffers; as the chain's reads do.
        """
        async with self.live.read() as conn:
            await unlisted.recall(conn, self.rpc, self.stretch.chain_id)
        before: Header | None = None
        for first in range(self.stretch.first, self.stretch.last + 1, AT_ONCE):
            heights = range(first, min(first + AT_ONCE, self.stretch.last + 1))
            headers = await self._following(heights, before)
            await self._transfers(headers)
            before = headers[-1]
            yield len(headers)
        if before is not None and before.hash != self.stretch.last_hash:
            raise ChainDiffers(
                f"block {before.number} of {self.stretch.name} is final as {hex32(self.stretch.last_hash)},"
                f" the nodes show {hex32(before.hash)}"
            )
        await self._openings()
        await self._costs()
        await self._batches()

    async def _following(self, heights: Sequence[int], before: Header | None) -> list[Header]:
        shown = await heads.agreed_by_numbers(self.rpc, heights, settled=False)
        chain = heads.linked([before, *shown] if before is not None else shown)
        headers = chain[1:] if before is not None else chain
        if len(headers) < len(heights):
            raise Retryable(f"the nodes show no block {heights[len(headers)]} that follows the one before it")
        return headers

    async def _transfers(self, headers: Sequence[Header]) -> None:
        told = await Reader(self.rpc, self.stretch.chain_id, Counter()).read(headers, proven=True)
        async with self.into.transaction() as conn:
            kept = await transfers.add_missing(conn, self.stretch.chain_id, told.transfers)
            holding = {transfer.block_hash for transfer in kept}
            blocks = [header.ref for header in headers if header.hash in holding]
            await chain_facts.keep_blocks(conn, self.stretch.chain_id, blocks)

    async def _openings(self) -> None:
        """Where no node has the state of such an old block any more, our row stands, and the log says so."""
        async with self.into.read() as conn:
            opened = await chain_facts.openings(conn, self.stretch.chain_id)
        for opening in opened:
            header = await heads.by_number(self.rpc, opening.number)
            amount = await self._held(opening)
            async with self.into.transaction() as conn:
                if header is not None:
                    await chain_facts.keep_blocks(conn, self.stretch.chain_id, [header.ref])
                if amount is not None and amount != opening.amount:
                    await chain_facts.correct_opening(conn, opening, amount)

    async def _held(self, opening: Opened) -> int | None:
        try:
            [amount] = await erc20.balances(self.rpc, [(opening.token, opening.address)], opening.number)
        except RpcError as error:
            if error.says is not NodeSays.UNKNOWN_BLOCK:
                raise
            _log.warning("no node has the state of an opening's block", opening=opening.id, why=str(error))
            return None
        return amount

    async def _batches(self) -> None:
        """Payments that an older backup forgot are no outflows: their vault says that a batch made them."""
        async with self.into.read() as conn:
            left = await transfers.outflows_between(
                conn, self.stretch.chain_id, self.stretch.first - 1, self.stretch.last
            )
        others = await by_no_batch(self.rpc, left)
        places = {(Hash(each.block_hash), each.log_index) for each in left} - others
        async with self.into.transaction() as conn:
            await chain_facts.record_batched(conn, self.stretch.chain_id, places)

    async def _costs(self) -> None:
        after = b""
        while True:
            async with self.into.read() as conn:
                signed = await chain_facts.signed_after(conn, self.stretch.chain_id, after, AT_ONCE)
            if not signed:
                return
            after = signed[-1].tx_hash
            mined = await self._mined(signed)
            async with self.into.transaction() as conn:
                await chain_facts.keep_blocks(conn, self.stretch.chain_id, [block for _, block in mined])
                for receipt, _ in mined:
                    await chain_facts.record_mined(
                        conn, self.stretch.chain_id, receipt.tx_hash, receipt.block_hash,
                        receipt.block_number, receipt.fee_paid,
                    )  # fmt: skip

    async def _mined(self, signed: Sequence[Signed]) -> list[tuple[Receipt, BlockRef]]:
        """Those in blocks that are final, as these prove it."""
        told = await receipts.of(self.rpc, [each.tx_hash for each in signed])
        found = []
        for each, receipt in zip(signed, told, strict=True):
            if receipt is None or receipt.block_number > self.stretch.last:
                continue
            proven = await block_receipts.proven(self.rpc, receipt, each.fees)
            [shown] = await heads.agreed_by_numbers(self.rpc, [proven.block_number], settled=False)
            if shown is None or Hash(shown.hash) != proven.block_hash:
                raise Retryable(f"the nodes differ about the block of transaction {hex32(each.tx_hash)}")
            found.append((proven, shown.ref))
        return found
