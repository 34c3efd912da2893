"""The worker's part that makes reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.entrypoints.schedule import Loop

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Seams
    from bascule.storage.database import Database


def loop(db: Database, seams: Seams, poll_s: float) -> Loop:
    """Makes the reports that were asked for, with the general ledger's accounts of ours."""
    from bascule.general_ledger import accounts
    from bascule.services.report_runs import ReportRuns
    from bascule.services.reporter import Reporter

    runs = ReportRuns(seams.clock, seams.entropy, seams.outbox)
    return Loop(Reporter(db, runs, accounts(), seams.failpoints), poll_s)
