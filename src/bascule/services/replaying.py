"""Replaying: blocks that were read are read once more, from their receipts, and compared with what is stored.

For an operator who wants to know, beside a watcher that goes on. Nothing stored is changed or taken back:
what is missing is added, what is wrong is told. The cursor's row is held meanwhile, so that a reorganisation
comes before or after, never in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.chain.heads import Header
from bascule.domain.chain import ChainId, Hash, hex32
from bascule.services import unlisted
from bascule.services.arrivals import Arrivals
from bascule.services.outflows import Outflows
from bascule.services.reading import Reader
from bascule.storage import blocks, deposits, ledger, transfers
from bascule.storage.blocks import Read
from bascule.storage.database import Connection, Database
from bascule.storage.transfers import Transfer

AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree.

    kind: `missing` (added now), `wrong` (stored, but the chain tells otherwise), `misread` (other transfers
    than were read, none of them ours), `forked` (a quorum shows another block here).
    """

    kind: str
    number: int
    says: str


@dataclass
class Replay:
    """Compares the blocks of one chain. compared: how many so far."""

    db: Database
    rpc: Caller
    chain_id: ChainId
    arrivals: Arrivals
    outflows: Outflows
    compared: int = field(default=0, init=False)

    async def between(self, first: int, last: int) -> AsyncIterator[tuple[int, list[Finding]]]:
        """Part after part, up to which height it was compared and what was found there.

        Raises: as the chain's reads do; parts that were told before stay done.
        """
        for start in range(first, last + 1, AT_ONCE):
            end = min(last, start + AT_ONCE - 1)
            async with self.db.read() as conn:
                await unlisted.recall(conn, self.rpc, self.chain_id)
                stored = await blocks.canonical_between(conn, self.chain_id, start, end)
            yield end, await self._part(stored) if stored else []

    async def _part(self, stored: Sequence[Read]) -> list[Finding]:
        heights = [block.ref.number for block in stored]
        shown = await heads.agreed_by_numbers(self.rpc, heights, settled=False)
        pairs = [*zip(stored, shown, strict=True)]
        same = [(ours, theirs) for ours, theirs in pairs if theirs and theirs.hash == ours.ref.hash]
        forked = [_forked(ours, theirs) for ours, theirs in pairs if (ours, theirs) not in same]
        headers = [theirs for _, theirs in same]
        told = await Reader(self.rpc, self.chain_id, Counter()).read(headers, proven=True)
        async with self.db.transaction() as conn:
            final = await blocks.hold_cursor(conn, self.chain_id)
            found = await self._compare(conn, [ours for ours, _ in same], told.transfers, final)
        await self._book_outflows(heights[0] - 1, min(heights[-1], final))
        digests = {block.ref.hash: block.digest for block in told.blocks}
        self.compared += len(same)
        named = {finding.number for finding in found}
        return [
            *forked,
            *found,
            *(
                Finding("misread", ours.ref.number, "other transfers than were read, none of them ours")
                for ours, _ in same
                if ours.ref.number not in named
                and ours.digest is not None
                and ours.digest != digests[ours.ref.hash]
            ),
        ]

    async def _compare(
        self, conn: Connection, read: Sequence[Read], told: Sequence[Transfer], final: int
    ) -> list[Finding]:
        """Adds what is missing; a deposit of it is like any other, booked with the next final block.

        So is what moved its money among our addresses; what is covered already is booked here.
        """
        first, last = read[0].ref.number if read else 0, read[-1].ref.number if read else -1
        now = {block.ref.hash for block in await blocks.canonical_between(conn, self.chain_id, first, last)}
        hashes = [block.ref.hash for block in read if block.ref.hash in now]
        by_place = {_place(transfer): transfer for transfer in told if transfer.block_hash in now}
        stored = await transfers.of_blocks(conn, self.chain_id, hashes)
        wrong = [each for each in stored if by_place.pop(_place(each), None) != each]
        missing = await transfers.add_missing(conn, self.chain_id, list(by_place.values()))
        if missing:
            await self.arrivals.take(conn, list(dict.fromkeys(each.block_hash for each in missing)))
        between = first - 1, min(last, final)
        for block_hash, log_index in await transfers.internal_between(conn, self.chain_id, *between):
            await ledger.post_internal_if_covered(conn, self.chain_id, block_hash, log_index)
        await deposits.mark_flushed(conn, self.chain_id, *between, [])
        return [
            *(Finding("wrong", each.block_number, _says(each)) for each in wrong),
            *(Finding("missing", each.block_number, _says(each)) for each in missing),
        ]

    async def _book_outflows(self, after: int, upto: int) -> None:
        """What left us in these final blocks, and was found too late to be booked with them, is booked."""
        left = await self.outflows.look(after, upto)
        if left:
            async with self.db.transaction() as conn:
                await blocks.hold_cursor(conn, self.chain_id)
                await self.outflows.book(conn, after, upto, left)


def _place(transfer: Transfer) -> tuple[Hash, int]:
    return transfer.block_hash, transfer.log_index


def _says(transfer: Transfer) -> str:
    return f"log {transfer.log_index} of {hex32(transfer.tx_hash)}, {transfer.amount} base units"


def _forked(ours: Read, theirs: Header | None) -> Finding:
    shown = "no block" if theirs is None else hex32(theirs.hash)
    return Finding("forked", ours.ref.number, f"ours is {hex32(ours.ref.hash)}, the nodes show {shown}")
