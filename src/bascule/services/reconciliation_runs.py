"""Reconciliation runs: each token against its chain, then our rows against each other; kept, and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bascule.domain.chain import caip2
from bascule.domain.errors import Retryable
from bascule.domain.ids import Prefix
from bascule.domain.webhook import EventType
from bascule.services.break_search import BreakSearch, Looked
from bascule.services.gas_check import GasCheck
from bascule.services.outbox import Outbox
from bascule.services.reconciler import Reconciler, describe
from bascule.services.seams import new_id
from bascule.storage import accounts, reconciliation_runs, reconciliations
from bascule.storage.database import Connection, Database
from bascule.storage.reconciliation_runs import Run

NIGHT = "process:worker"
# How long a run waits for nodes that are silent or differ, before it ends without their tokens and says so.
PATIENCE = timedelta(minutes=15)


async def request(
    conn: Connection,
    outbox: Outbox,
    *,
    requested_by: str,
    livemode: bool | None = None,
    chain_id: int | None = None,
) -> Run:
    """A run that the worker does next, in the caller's transaction. livemode, chain_id: None for all."""
    id = new_id(Prefix.RECONCILIATION, outbox.clock, outbox.entropy)
    run = Run(id, livemode, chain_id, requested_by, outbox.clock.now())
    await reconciliation_runs.insert(conn, run)
    return run


@dataclass(frozen=True)
class Nightly:
    """Asks for a run of everything; the schedule says when."""

    db: Database
    outbox: Outbox
    name: str = "nightly_sweep"

    async def run_once(self) -> int:
        """Asks once; always 0."""
        async with self.db.transaction() as conn:
            await request(conn, self.outbox, requested_by=NIGHT)
        return 0


@dataclass(frozen=True)
class ReconciliationRuns:
    """Does the runs that were asked for, the oldest first."""

    db: Database
    outbox: Outbox
    reconciler: Reconciler
    search: BreakSearch
    coins: GasCheck
    name: str = "reconciliation_runs"

    async def run_once(self) -> int:
        """1 when a run was done. Raises: Retryable while all that wait are of chains that do not answer."""
        async with self.db.read() as conn:
            waiting = await reconciliation_runs.waiting(conn)
        silent: Retryable | None = None
        for run in waiting:
            coins = Looked(0, 0)
            try:
                await self.reconciler.reconcile(run.chain_id, livemode=run.livemode, run_id=run.id)
                coins = await self.coins.look(run.chain_id, run.livemode)
            except Retryable as failure:
                if self.outbox.clock.now() - run.created_at < PATIENCE:
                    silent = silent or failure
                    continue
            await self._finish(run, coins)
            return 1
        if silent is not None:
            raise silent
        return 0

    async def _finish(self, run: Run, coins: Looked) -> None:
        """With what was compared, and the names of what was not. coins: what the look at wallets changed."""
        looked = await self.search.look(run.id)
        wanted = {subject.token_id for subject in await self.reconciler.subjects(run.chain_id, run.livemode)}
        async with self.db.transaction() as conn:
            made = await reconciliations.of_runs(conn, [run.id])
            done = await reconciliation_runs.finish(
                conn,
                run,
                compared=len(made),
                uneven=sum(found.residual != 0 for _, _, found in made),
                opened=looked.opened + coins.opened,
                ended=looked.ended + coins.ended,
                unanswered=sorted(wanted.difference(subject.token_id for _, subject, _ in made)),
                at=self.outbox.clock.now(),
            )
            if done is not None:
                await self._tell(conn, done)

    async def _tell(self, conn: Connection, run: Run) -> None:
        operator = await accounts.operator(conn)
        if operator is None:
            return
        [shown] = await describe_runs(conn, [run])
        await self.outbox.append(
            conn,
            account_id=operator.id,
            livemode=bool(run.livemode),
            type=EventType.RECONCILIATION_COMPLETED,
            object_id=run.id,
            object_version=1,
            object=shown,
        )


async def describe_runs(conn: Connection, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs as the API shows them, with their comparisons."""
    made: dict[str, list[Mapping[str, Any]]] = {run.id: [] for run in runs}
    for run_id, subject, found in await reconciliations.of_runs(conn, list(made)):
        made[run_id].append(describe(subject, found))
    return [
        {
            "id": run.id,
            "object": "reconciliation.run",
            "status": "requested" if run.finished_at is None else "completed",
            "network": None if run.chain_id is None else caip2(run.chain_id),
            "requested_by": run.requested_by,
            "compared": run.compared,
            "uneven": run.uneven,
            "breaks_opened": run.opened,
            "breaks_ended": run.ended,
            "unanswered": list(run.unanswered),
            "comparisons": made[run.id],
            "livemode": run.livemode,
            "created": int(run.created_at.timestamp()),
            "finished_at": None if run.finished_at is None else int(run.finished_at.timestamp()),
        }
        for run in runs
    ]
