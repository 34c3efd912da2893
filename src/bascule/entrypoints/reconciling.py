"""When the books are held against the chain, and everything against everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bascule.entrypoints.schedule import Due
from bascule.services.break_search import BreakSearch
from bascule.services.breaks import Breaks
from bascule.services.gas_check import GasCheck
from bascule.services.reconciler import Reconciler
from bascule.services.reconciliation_runs import Nightly, ReconciliationRuns

if TYPE_CHECKING:
    from bascule.chain.caller import Caller
    from bascule.entrypoints.wiring import Seams
    from bascule.storage.database import Database

RUNS_INTERVAL_S = 2
NIGHT_S = 86_400  # due at midnight UTC


def reconciling(db: Database, seams: Seams, rpcs: Mapping[int, Caller], every_s: int) -> list[Due]:
    """Tokens and wallets' coin against chains every `every_s` seconds; runs at night and when asked for."""
    reconciler = Reconciler(db, seams.clock, seams.entropy, seams.outbox, rpcs, seams.failpoints)
    search = BreakSearch(db, Breaks(seams.outbox))
    coins = GasCheck(db, Breaks(seams.outbox), rpcs)
    return [
        Due(reconciler, every_s),
        Due(coins, every_s),
        Due(Nightly(db, seams.outbox), NIGHT_S),
        Due(ReconciliationRuns(db, seams.outbox, reconciler, search, coins), RUNS_INTERVAL_S),
    ]
