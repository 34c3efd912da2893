"""Rebuilding: the books made a second time, from the chain and the commands, in an empty database.

The same functions post, so what is compared is what they were given: facts read afresh, decisions as commands
left them. Our database is read in one snapshot and not written; nothing of it is held while nodes are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bascule.chain.caller import Caller
from bascule.services.chain_facts import ChainFacts
from bascule.storage.database import Database
from bascule.storage.rebuild import agenda, chain_facts, copies, differences
from bascule.storage.rebuild.differences import Compared

Told = Callable[[str, int, int], None]  # what is being counted, how many more are done, of how many
AT_ONCE = 500  # facts in a transaction


@dataclass(frozen=True)
class Rebuild:
    """Makes the books of `chains` anew in `into`, which is empty, and compares. told: hears how far it is."""

    live: Database
    into: Database
    rpcs: Mapping[int, Caller]
    chains: Sequence[int]
    told: Told = lambda what, more, total: None

    async def compare(self) -> Compared:
        """What differs. Raises: ChainDiffers; Retryable where nodes do not answer."""
        final = [each for each in await copies.copy_all(self.live, self.into) if each.chain_id in self.chains]
        async with self.into.read() as conn:
            await chain_facts.prepare(conn)
        total = sum(each.last - each.first + 1 for each in final)
        for stretch in final:
            facts = ChainFacts(self.live, self.into, self.rpcs[stretch.chain_id], stretch)
            async for blocks in facts.read():
                self.told("blocks", blocks, total)
        return await posted_and_compared(self.into, [each.chain_id for each in final], self.told)


async def posted_and_compared(into: Database, chains: Sequence[int], told: Told) -> Compared:
    """The second half, once commands and chain facts are there."""
    async with into.transaction() as conn:
        await chain_facts.settle(conn)
    async with into.transaction() as conn:
        total = await agenda.fill(conn, chains)
    done = await _pass(into, total, told, waiting=False)
    while done:  # what waited for money that another fact brought
        done = await _pass(into, total, told, waiting=True)
    async with into.transaction() as conn:
        return await differences.compare(conn, chains)


async def _pass(into: Database, total: int, told: Told, *, waiting: bool) -> int:
    """Every fact that waits for its turn, or for another; how many were posted."""
    done, after = 0, 0
    while True:
        async with into.transaction() as conn:
            facts = await agenda.following(conn, after, AT_ONCE, waiting=waiting)
            posted = await agenda.post(conn, facts) if facts else 0
        if not facts:
            return done
        done, after = done + posted, facts[-1].place
        told("postings", posted, total)
