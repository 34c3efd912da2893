"""The worker's part in settlements, made of what every process has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.services.payouts import Payouts
from bascule.services.settlement_steps import SettlementSteps
from bascule.services.settler import Settler

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Seams
    from bascule.storage.database import Database


def settler(db: Database, seams: Seams) -> Settler:
    """Makes settlements that are due, asks for their payouts, and follows them."""
    pays = Payouts(seams.clock, seams.entropy, seams.outbox)
    return Settler(db, SettlementSteps(seams.clock, seams.entropy, seams.outbox, pays), seams.failpoints)
