"""The worker's part in invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.entrypoints.schedule import Due
from bascule.services.biller import Biller

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Seams
    from bascule.storage.database import Database


def due(db: Database, seams: Seams, every_s: int) -> Due:
    """Reminders, and the fee invoices of closed months."""
    return Due(Biller(db, seams.clock, seams.entropy, seams.outbox, seams.failpoints), every_s)
