"""Wallets' native coin against the rows: what one had, top-ups and booked gas, at a final block.

Coin has no log, so each wallet's balance says what nothing else does: gas that was never booked or booked
twice, coin that somebody sent by hand, coin that left with a key of ours. While a transaction that a wallet
had sent by that block is not final here, nothing is said of it. What people have explained counts as booked.
Where one had what is booked, a later look begins there, so that no look sums the fees of years.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from bascule.chain import erc20, nonces
from bascule.chain.caller import Caller
from bascule.chain.evidence import Tellers
from bascule.chain.hexes import quantity
from bascule.domain.chain import ZERO_ADDRESS, Address, checksum
from bascule.domain.errors import Retryable
from bascule.services.balance_check import BalancesDisputed
from bascule.services.break_search import Looked
from bascule.services.breaks import Breaks
from bascule.storage import breaks, coin_books
from bascule.storage.breaks import Found
from bascule.storage.coin_books import CoinBooks, Purse
from bascule.storage.database import Database

log = structlog.get_logger()
BREAK_TYPE = "gas_drift"
MARK_EVERY = 1_000  # blocks


@dataclass(frozen=True, slots=True)
class Shown:
    """What a chain says of a wallet at the end of a block. held: wei; used: nonces."""

    held: int
    used: int


@dataclass(frozen=True)
class GasCheck:
    """Looks at every wallet of the chains it has a node for."""

    db: Database
    breaks: Breaks
    rpcs: Mapping[int, Caller]
    name: str = "gas_check"
    mark_every: int = MARK_EVERY

    async def run_once(self) -> int:
        """One round; always 0, as a second round at once would find the same. Raises: as `look`."""
        await self.look()
        return 0

    async def look(self, chain_id: int | None = None, livemode: bool | None = None) -> Looked:
        """How many breaks one round opened and ended, of one chain or mode, or of all there are.

        Raises: Retryable when nodes of a chain are silent or differ, after the others were looked at.
        """
        async with self.db.read() as conn:
            purses = [
                each
                for each in await coin_books.purses(conn)
                if chain_id in (None, each.chain_id) and livemode in (None, each.livemode)
            ]
        silent: Retryable | None = None
        opened = ended = 0
        for of_chain, group in groupby(purses, key=lambda purse: purse.chain_id):
            if of_chain in self.rpcs:
                try:
                    found = await self._look(self.rpcs[of_chain], list(group))
                    opened, ended = opened + found.opened, ended + found.ended
                except Retryable as failure:
                    silent = silent or failure
        if silent is not None:
            raise silent
        return Looked(opened, ended)

    async def _look(self, rpc: Caller, purses: Sequence[Purse]) -> Looked:
        """Every wallet of a chain. Raises: Retryable for one of them, after the others were looked at."""
        told, opened, ended = Tellers(), 0, 0
        shown = await _ask(rpc.noting(told), purses)
        in_doubt: Retryable | None = None
        for purse in purses:
            try:
                found = await self._look_at(rpc, purse, shown, told)
            except Retryable as failure:
                in_doubt = in_doubt or failure
            else:
                opened, ended = opened + found.opened, ended + found.ended
        if in_doubt is not None:
            raise in_doubt
        return Looked(opened, ended)

    async def _look_at(
        self, rpc: Caller, purse: Purse, shown: Mapping[Address, Shown], told: Tellers
    ) -> Looked:
        """shown, told: all wallets of its chain, as one node says, and which one that is."""
        async with self.db.read() as conn:
            books = await coin_books.booked(
                conn, purse, {address: each.used for address, each in shown.items()}
            )
            explained = await breaks.explained_amount(conn, BREAK_TYPE, _subject(purse))
            stopped = await breaks.open_of(conn, BREAK_TYPE, _subject(purse))
        seen = shown[purse.address]
        drift = seen.held - books.expected - explained
        if not books.settled or (drift == 0 and stopped is None):
            await self._mark(purse, books)
            return Looked(0, 0)
        against = Tellers()
        again = await _ask(rpc.other(than=told, only=True).noting(against), [purse])
        if again[purse.address] != seen:
            why = f"nodes differ about the coin of {checksum(purse.address)}"
            rpc.disputed(told, against, f"{why} at block {purse.block_number}")
            raise BalancesDisputed(why)
        changed = await self._judge(purse, books, seen, explained)
        return Looked(opened=int(changed and drift != 0), ended=int(changed and drift == 0))

    async def _mark(self, purse: Purse, books: CoinBooks) -> None:
        if books.settled and purse.block_number - purse.since >= self.mark_every:
            async with self.db.transaction() as conn:
                await coin_books.mark(conn, purse, books)

    async def _judge(self, purse: Purse, books: CoinBooks, seen: Shown, explained: int) -> bool:
        """Whether a break opened or ended."""
        drift = seen.held - books.expected - explained
        async with self.db.transaction() as conn:
            if drift == 0:
                resolution = {"by": "reconciliation", "block_number": purse.block_number}
                return await self.breaks.end(conn, BREAK_TYPE, _subject(purse), resolution)
            evidence = {
                "wallet": purse.name,
                "address": checksum(purse.address),
                "block_number": purse.block_number,
                "nonces_used": seen.used,
                "held": str(seen.held),
                "since_block": purse.since,
                "balance_then": str(books.base),
                "top_ups_received": str(books.came),
                "top_ups_sent": str(books.went),
                "gas_booked": str(books.gas),
                "explained": str(explained),
            }
            log.error("a wallet's coin is not what is booked", wallet=purse.name, wei=str(drift))
            found = Found(
                BREAK_TYPE, _subject(purse), evidence, purse.chain_id, purse.token_id, purse.livemode, drift
            )
            return await self.breaks.open(conn, found)


async def _ask(rpc: Caller, purses: Sequence[Purse]) -> dict[Address, Shown]:
    """What one node says of all of them."""
    return await rpc.checked(lambda node: _shown(node, purses))


async def _shown(rpc: Caller, purses: Sequence[Purse]) -> dict[Address, Shown]:
    """Final, so a height names one block."""
    height = purses[0].block_number
    held = await erc20.balances(rpc, [(ZERO_ADDRESS, purse.address) for purse in purses], height)
    used = [await nonces.count(rpc, purse.address, quantity(height)) for purse in purses]
    return {
        purse.address: Shown(*each) for purse, each in zip(purses, zip(held, used, strict=True), strict=True)
    }


def _subject(purse: Purse) -> str:
    return f"{purse.chain_id}/{checksum(purse.address)}"
