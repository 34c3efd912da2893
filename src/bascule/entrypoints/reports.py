"""The worker's part that makes reports, and ends their files."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bascule.domain.errors import Rejected
from bascule.entrypoints.schedule import Due, Loop
from bascule.entrypoints.wiring import BadConfiguration

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Seams, Settings
    from bascule.storage.database import Database


RETENTION_INTERVAL_S = 3_600


def loop(settings: Settings, db: Database, seams: Seams, poll_s: float) -> Loop:
    """Makes the reports that were asked for, with the settings' general ledger and thresholds.

    Raises: BadConfiguration where one of their files is of another form.
    """
    from bascule.general_ledger import accounts
    from bascule.services.report_runs import ReportRuns
    from bascule.services.reporter import Reporter
    from bascule.thresholds import thresholds

    runs = ReportRuns(seams.clock, seams.entropy, seams.outbox)
    try:
        ours, rules = accounts(settings.general_ledger), thresholds(settings.thresholds)
    except Rejected as error:
        named = "GENERAL_LEDGER" if error.code == "general_ledger_invalid" else "THRESHOLDS"
        raise BadConfiguration(f"BASCULE_{named}", error.message, "a file of the form of ours") from None
    return Loop(Reporter(db, runs, ours, seams.failpoints, rules), poll_s)


def due(settings: Settings, db: Database, seams: Seams) -> list[Due]:
    """Ends their files, unless they are kept for ever."""
    from bascule.services.report_retention import ReportRetention

    keep = timedelta(days=settings.report_keep_days)
    return [Due(ReportRetention(db, seams.clock, keep), RETENTION_INTERVAL_S)] if keep else []
