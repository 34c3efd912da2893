"""What accepted tokens say of themselves, acted upon as soon as it is seen in a canonical block; what deposit
factories say of their collector is kept beside it (`CollectorWatch` acts upon that).

Suspending protects, so a word that only a bloom speaks for is enough; it is held against the block's proof
later. Ending a pause does not: it ends by the newest canonical word about it, or by a reorg that takes it
away, once every block that was read is proven and the chain is as long as when it was said. Everything else
stays until an operator has looked: an upgrade may have changed what a Transfer means, a list may hold our
money. A list that names a deposit address holds that address alone (the view `listed_addresses`), until it
is taken off in a final block; the operator has a break meanwhile.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bascule.chain.factory import UNSCHEDULED
from bascule.chain.token_events import ABOUT_SOMEBODY
from bascule.domain.chain import Address, ChainId, Hash, checksum, hex32
from bascule.services.breaks import Breaks
from bascule.services.suspending import BY_CHAIN, Suspending
from bascule.storage import contract_events, tokens
from bascule.storage.breaks import Found
from bascule.storage.contract_events import ContractEvent
from bascule.storage.database import Connection
from bascule.storage.tokens import Token

_log = structlog.get_logger()
PAUSED = "paused"
LISTED = "address_listed"  # a break's type
_LASTING = frozenset({"blacklisted", "destroyed", "upgraded", "deprecated", "fees_changed"})


@dataclass(frozen=True)
class TokenWatch:
    """Stores events and suspends, in the watcher's transaction."""

    chain_id: ChainId
    suspending: Suspending
    breaks: Breaks
    counters: Counter[str]

    async def take(self, conn: Connection, events: Sequence[ContractEvent]) -> None:
        """The events are stored; the tokens stand as these, which are canonical now, want it."""
        if not events:
            return
        await contract_events.record(conn, self.chain_id, events)
        named = {event.subject for event in events if event.subject is not None}
        ours = await contract_events.ours(conn, self.chain_id, named)
        known = await self._known(conn, {event.contract for event in events})
        for event in events:
            if event.contract not in known:
                continue
            self.counters[f"token_events_{event.kind}"] += 1
            if event.kind not in _LASTING:
                continue
            if event.kind not in ABOUT_SOMEBODY or (event.subject and ours.get(event.subject)):
                await self._suspend(conn, known[event.contract], event)
            elif event.subject in ours:
                await self._hold(conn, known[event.contract], event.subject, event)
        await self._pause(conn, known)

    async def orphan_above(self, conn: Connection, number: int) -> None:
        """Takes back what was said above a height: the end of a pause at once, the pause as proofs go on."""
        touched = await contract_events.orphan_above(conn, self.chain_id, number)
        if touched:
            await self._pause(conn, await self._known(conn, touched))

    async def prove(self, conn: Connection, blocks: Sequence[Hash], words: Sequence[ContractEvent]) -> None:
        """These blocks are proven, and in them contracts said just these words; what is over ends."""
        read = await contract_events.of_blocks(conn, self.chain_id, blocks)
        false = [word for word in read if word not in words]
        await contract_events.orphan(conn, self.chain_id, false)
        if false:
            await self._pause(conn, await self._known(conn, {word.contract for word in false}))
        await self.take(conn, [word for word in words if word not in read])
        for word in {*read}.symmetric_difference(words):
            self.counters["contract_events_corrected"] += 1
            _log.error(
                "a contract's word was misread", chain_id=self.chain_id, kind=word.kind, **_evidence(word)
            )
        await self._end_pauses(conn)
        if any(word.kind == UNSCHEDULED for word in words):
            await contract_events.forget_next(conn, self.chain_id)
        for subject in await contract_events.lists_over(conn, self.chain_id, LISTED):
            await self.breaks.end(conn, LISTED, subject, {"by": BY_CHAIN})

    async def _known(self, conn: Connection, contracts: Collection[Address]) -> dict[Address, Token]:
        every = await tokens.every(conn)
        return {t.contract: t for t in every if t.chain_id == self.chain_id and t.contract in contracts}

    async def _pause(self, conn: Connection, known: Mapping[Address, Token]) -> None:
        """Those that said so last are paused."""
        newest = await contract_events.newest_pauses(conn, self.chain_id, known)
        for word in newest.values():
            if word.kind == PAUSED:
                await self._suspend(conn, known[word.contract], word)

    async def _end_pauses(self, conn: Connection) -> None:
        """Pauses end that nothing read speaks for any more, as far as all of it is proven."""
        over = await contract_events.pauses_over(conn, self.chain_id)
        for contract, token in (await self._known(conn, over)).items() if over else ():
            word = over[contract]
            said = "it said nothing else" if word is None else f"block {word}"
            await self.suspending.resume(conn, token, by=BY_CHAIN, reason=f"not paused: {said}", cause=PAUSED)

    async def _hold(self, conn: Connection, token: Token, address: Address, event: ContractEvent) -> None:
        """Tells that what lies and comes there is held; that it is follows from the event."""
        subject = f"{token.id}/0x{address.hex()}"
        evidence = {"kind": event.kind, **_evidence(event)}
        if await self.breaks.open(conn, Found(LISTED, subject, evidence, self.chain_id, token.id)):
            self.counters["addresses_listed"] += 1
            _log.error("a deposit address is listed", token=token.id, cause=event.kind, **_evidence(event))

    async def _suspend(self, conn: Connection, token: Token, event: ContractEvent) -> None:
        if await self.suspending.suspend(conn, token, event.kind, _evidence(event)):
            self.counters["tokens_suspended"] += 1


def _evidence(event: ContractEvent) -> dict[str, Any]:
    return {
        "block_number": event.block_number,
        "block_hash": hex32(event.block_hash),
        "tx_hash": hex32(event.tx_hash),
        "log_index": event.log_index,
        "subject": None if event.subject is None else checksum(event.subject),
    }
