"""What accepted tokens say of themselves, acted upon as soon as it is seen in a canonical block.

A pause ends with the newest canonical word about it, so a reorg takes it back too. Everything else stays
until an operator has looked: an upgrade may have changed what a Transfer means, a list may hold our money.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bascule.chain.token_events import ABOUT_SOMEBODY
from bascule.domain.chain import Address, ChainId, checksum, hex32
from bascule.services.suspending import BY_CHAIN, Suspending
from bascule.storage import token_events, tokens
from bascule.storage.database import Connection
from bascule.storage.token_events import TokenEvent
from bascule.storage.tokens import Token

PAUSED = "paused"
_LASTING = frozenset({"blacklisted", "destroyed", "upgraded", "deprecated", "fees_changed"})


@dataclass(frozen=True)
class TokenWatch:
    """Stores events and suspends, in the watcher's transaction."""

    chain_id: ChainId
    suspending: Suspending
    counters: Counter[str]

    async def take(self, conn: Connection, events: Sequence[TokenEvent]) -> None:
        """The tokens stand as these events, which are canonical now, want it."""
        if not events:
            return
        await token_events.record(conn, self.chain_id, events)
        named = {event.subject for event in events if event.subject is not None}
        ours = await token_events.ours(conn, self.chain_id, named)
        known = await self._known(conn, {event.token for event in events})
        for event in events:
            self.counters[f"token_events_{event.kind}"] += 1
            about_us = event.kind not in ABOUT_SOMEBODY or event.subject in ours
            if event.kind in _LASTING and about_us and event.token in known:
                await self._suspend(conn, known[event.token], event)
        await self._pauses(conn, known)

    async def orphan_above(self, conn: Connection, number: int) -> None:
        """Takes back pauses, and ends of pauses, above a height; what else was said stays until resumed."""
        touched = await token_events.orphan_above(conn, self.chain_id, number)
        if touched:
            await self._pauses(conn, await self._known(conn, touched))

    async def _known(self, conn: Connection, contracts: Collection[Address]) -> dict[Address, Token]:
        every = await tokens.every(conn)
        return {t.contract: t for t in every if t.chain_id == self.chain_id and t.contract in contracts}

    async def _pauses(self, conn: Connection, known: Mapping[Address, Token]) -> None:
        newest = await token_events.newest_pauses(conn, self.chain_id, known)
        for contract, token in known.items():
            word = newest.get(contract)
            if word is not None and word.kind == PAUSED:
                await self._suspend(conn, token, word)
            else:
                said = "it said nothing else" if word is None else f"block {word.block_number}"
                await self.suspending.resume(
                    conn, token, by=BY_CHAIN, reason=f"not paused: {said}", cause=PAUSED
                )

    async def _suspend(self, conn: Connection, token: Token, event: TokenEvent) -> None:
        if await self.suspending.suspend(conn, token, event.kind, _evidence(event)):
            self.counters["tokens_suspended"] += 1


def _evidence(event: TokenEvent) -> dict[str, Any]:
    return {
        "block_number": event.block_number,
        "block_hash": hex32(event.block_hash),
        "tx_hash": hex32(event.tx_hash),
        "log_index": event.log_index,
        "subject": None if event.subject is None else checksum(event.subject),
    }
