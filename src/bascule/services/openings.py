"""Openings: what our own addresses held when we began to watch them is the operator's.

Taken at a final block, so never taken back. An address registered while the chain is read is opened at the
finalized block, and the blocks since then are read once more for what touched it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule.chain import erc20, heads
from bascule.chain.caller import Caller
from bascule.chain.heads import Header
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import Retryable
from bascule.domain.ids import Prefix
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import addresses, ledger
from bascule.storage.addresses import Opening
from bascule.storage.blocks import moment
from bascule.storage.database import Connection, Database
from bascule.storage.networks import Network

Pair = tuple[Address, Address]
CLOCKS_DIFFER = timedelta(minutes=1)  # between ours and those of block producers


@dataclass(frozen=True)
class Openings:
    """Reads first balances and books them."""

    db: Database
    rpc: Caller
    network: Network
    clock: Clock
    entropy: Entropy

    async def missing(self) -> list[Pair]:
        """The (address, token) pairs that have no opening yet."""
        async with self.db.read() as conn:
            return await addresses.to_open(conn, self.network.chain_id)

    async def first_block(self, final: int) -> Header | None:
        """The block a new chain is taken over at: the network's start block, else the finalized one.

        Never one that is younger than the first deposit address: money may have come to it already.
        """
        number = self.network.start_block or final
        if not 0 <= number <= final:
            return None
        async with self.db.read() as conn:
            made_at = await addresses.first_deposit_address_at(conn, self.network.chain_id)
        header = await self._final(number)
        if header is None or made_at is None:
            return header
        return await self._older_than(made_at - CLOCKS_DIFFER, header)

    async def _older_than(self, limit: datetime, newest: Header) -> Header | None:
        """The newest block up to `newest` with a time before `limit`; the first of all when there is none."""
        if moment(newest.ref) < limit:
            return newest
        low, high = 0, newest.number
        while high - low > 1:
            middle = await self._final((low + high) // 2)
            if middle is None:
                return None
            low, high = (middle.number, high) if moment(middle.ref) < limit else (low, middle.number)
        return await self._final(low)

    async def _final(self, number: int) -> Header | None:
        """As a quorum has it: one node's word on a block's time would decide whose money came when."""
        [header] = await heads.agreed_by_numbers(self.rpc, [number], settled=True)
        return header

    async def read(self, pairs: list[Pair], block: BlockRef) -> list[Opening]:
        """The balances at the end of `block`, as a quorum tells: nothing proves them.

        Raises: Retryable when the nodes have another block there.
        """

        async def ask(rpc: Caller) -> tuple[Hash | None, list[int]]:
            held = await erc20.balances(rpc, [(token, owner) for owner, token in pairs], block.number)
            header = await heads.by_number(rpc, block.number)
            return None if header is None else header.hash, held

        there, amounts = await self.rpc.agreed(ask, _said, settled=True)
        if there != block.hash:
            raise Retryable(f"the nodes changed their mind about block {block.number} as balances were read")
        return [
            Opening(new_id(Prefix.OPENING, self.clock, self.entropy), owner, token, amount)
            for (owner, token), amount in zip(pairs, amounts, strict=True)
        ]

    async def book(self, conn: Connection, block: BlockRef, openings: list[Opening]) -> None:
        """Stores and books them; `block` is final in the same transaction."""
        await addresses.record_openings(conn, self.network.chain_id, block, openings)
        for opening in openings:
            if opening.amount:
                await ledger.post_opening(conn, opening.id)


def _said(told: tuple[Hash | None, list[int]]) -> list[Hash | int | None]:
    """The block and what is held at its end; a node that does not know the block says nothing of either."""
    there, held = told
    return [None] * (len(held) + 1) if there is None else [there, *held]
