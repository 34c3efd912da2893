"""The books against the chain: what our addresses hold at a final block, and what the journal says they hold.

The comparison is exact at its block: money that is final but not booked yet is a term of its own, so any
residual other than 0 is a break, which stops payouts of that token: opened and told once, ended by the next
comparison that is even. No node is believed alone: what is not even, what a break is open for, and whatever a
run compares, is asked of another one, and nothing is opened or ended while two differ. A residual that a
person has explained stays explained as long as it stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from bascule.chain import erc20
from bascule.chain.caller import Caller
from bascule.chain.evidence import Tellers
from bascule.domain.chain import Address, ChainId, caip2, checksum, hex32
from bascule.domain.errors import Rejected, Retryable
from bascule.domain.ids import Prefix
from bascule.services.balance_check import BalancesDisputed
from bascule.services.breaks import Breaks
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import blocks, breaks, reconciliations
from bascule.storage.breaks import Found
from bascule.storage.database import Connection, Database
from bascule.storage.reconciliations import Books, Reconciliation, Subject

log = structlog.get_logger()

BREAK_TYPE = "custody_residual"
BALANCES_PER_REQUEST = 500


class Reconciler:
    """Compares every accepted token of the chains it has a node for."""

    name = "reconciler"

    def __init__(
        self,
        db: Database,
        clock: Clock,
        entropy: Entropy,
        outbox: Outbox,
        rpcs: Mapping[int, Caller],
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._db = db
        self._clock = clock
        self._entropy = entropy
        self._breaks = Breaks(outbox)
        self._rpcs = rpcs
        self._failpoints = failpoints

    async def run_once(self) -> int:
        """One round; always 0, as a second round at once would find the same."""
        await self.reconcile()
        return 0

    async def reconcile(
        self,
        chain_id: int | None = None,
        at_block: int | None = None,
        *,
        livemode: bool | None = None,
        run_id: str | None = None,
    ) -> list[tuple[Subject, Reconciliation]]:
        """The comparisons, one per token; of one chain or mode only, if named.

        run_id: of a run that asks, which takes two nodes; what it has compared is not compared again. Raises:
        Retryable when nodes of a chain do not answer or differ, after all that others answer for is compared.
        at_block: an earlier final block instead of the newest; what is found there opens and resolves no
        break, which are about the present. Raises: Rejected when that block is not final or was not read.
        """
        subjects = await self.subjects(chain_id, livemode)
        async with self._db.read() as conn:
            if at_block is not None:
                subjects = [await _at(conn, subject, at_block) for subject in subjects]
            kept = [] if run_id is None else await reconciliations.of_runs(conn, [run_id])
        made = [(subject, found) for _, subject, found in kept]
        done, failures = {subject.token_id for subject, _ in made}, []
        for subject in subjects:
            if subject.token_id in done:
                continue
            try:
                made.append((subject, await self._compare(subject, run_id, judged=at_block is None)))
            except Retryable as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        return made

    async def subjects(self, chain_id: int | None = None, livemode: bool | None = None) -> list[Subject]:
        """What is to be compared now: every accepted token of the chains that there is a node for."""
        async with self._db.read() as conn:
            return [
                subject
                for subject in await reconciliations.subjects(conn)
                if subject.chain_id in self._rpcs
                and chain_id in (None, subject.chain_id)
                and livemode in (None, subject.livemode)
            ]

    async def _compare(self, subject: Subject, run_id: str | None, *, judged: bool) -> Reconciliation:
        rpc = self._rpcs[subject.chain_id]
        holders, books = await self._one_moment(subject)
        told, against = Tellers(), Tellers()
        on_chain = await _held(rpc.noting(told), subject, holders)
        async with self._db.read() as conn:
            stopped = await breaks.open_of(conn, BREAK_TYPE, subject.token_id)
        uneven = on_chain != books.journal + books.unbooked
        doubted = uneven or stopped is not None or run_id is not None
        another = rpc.other(than=told, only=True).noting(against)
        if doubted and await _held(another, subject, holders) != on_chain:
            why = f"nodes differ about what we hold of {subject.token_id}"
            rpc.disputed(told, against, f"{why} at block {subject.block_number}")
            raise BalancesDisputed(why)
        async with self._db.transaction() as conn:
            found = Reconciliation(
                id=new_id(Prefix.RECONCILIATION, self._clock, self._entropy),
                chain_id=subject.chain_id,
                token_id=subject.token_id,
                block_number=subject.block_number,
                block_hash=subject.block_hash,
                on_chain=on_chain,
                journal=books.journal,
                unbooked=books.unbooked,
                residual=on_chain - books.journal - books.unbooked,
                created_at=self._clock.now(),
                run_id=run_id,
            )
            await reconciliations.insert(conn, found)
            if judged:
                await self._judge(conn, subject, found)
            self._failpoints.hit("reconciler.before_compare")
        self._failpoints.hit("reconciler.after_compare")
        return found

    async def _one_moment(self, subject: Subject) -> tuple[list[Address], Books]:
        """Who holds and what is booked: an address stored between the two would be in the books alone."""
        async with self._db.transaction() as conn:
            await reconciliations.one_snapshot(conn)
            return await reconciliations.holders(conn, subject), await reconciliations.books(conn, subject)

    async def _judge(self, conn: Connection, subject: Subject, found: Reconciliation) -> None:
        if found.residual == 0:
            resolution = {"by": "reconciliation", "reconciliation": found.id}
            await self._breaks.end(conn, BREAK_TYPE, subject.token_id, resolution)
            return
        log.error("the books and the chain differ", token=subject.token_id, residual=str(found.residual))
        if await breaks.explained(conn, BREAK_TYPE, subject.token_id, found.residual):
            resolution = {"by": "reconciliation", "reconciliation": found.id, "residual": str(found.residual)}
            await self._breaks.end(conn, BREAK_TYPE, subject.token_id, resolution)
            return
        shown = describe(subject, found)
        await self._breaks.open(
            conn,
            Found(
                BREAK_TYPE, subject.token_id, shown, subject.chain_id, subject.token_id, subject.livemode,
                found.residual,
            ),
        )  # fmt: skip


async def _held(rpc: Caller, subject: Subject, holders: Sequence[Address]) -> int:
    """What the holders have together at the subject's final block; final, so its height names one block."""
    total = 0
    for start in range(0, len(holders), BALANCES_PER_REQUEST):
        pairs = [(subject.contract, holder) for holder in holders[start : start + BALANCES_PER_REQUEST]]
        total += sum(await erc20.balances(rpc, pairs, subject.block_number))
    return total


async def _at(conn: Connection, subject: Subject, number: int) -> Subject:
    """The same token at an earlier final block."""
    block = await blocks.canonical_at(conn, ChainId(subject.chain_id), number)
    if block is None or number > subject.block_number:
        raise Rejected(
            "block_unknown",
            f"Block {number} of chain {subject.chain_id} is not final, or was not read.",
            param="at_block",
            next_step=f"The newest final block is {subject.block_number}.",
        )
    return replace(subject, block_number=number, block_hash=block.hash)


def describe(subject: Subject, found: Reconciliation) -> dict[str, Any]:
    """A comparison as people and events see it; amounts in base units, as text."""
    return {
        "id": found.id,
        "object": "reconciliation",
        "network": caip2(subject.chain_id),
        "token": subject.token_id,
        "currency": subject.currency,
        "contract": checksum(Address(bytes(subject.contract))),
        "decimals": subject.decimals,
        "block_number": found.block_number,
        "block_hash": hex32(subject.block_hash),
        "on_chain": str(found.on_chain),
        "journal": str(found.journal),
        "unbooked": str(found.unbooked),
        "residual": str(found.residual),
        "created": int(found.created_at.timestamp()),
    }
