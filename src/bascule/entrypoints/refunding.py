"""The worker's part in refunds, made of what every process has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.services.payouts import Payouts
from bascule.services.refund_steps import RefundSteps
from bascule.services.refunder import Refunder

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Seams
    from bascule.storage.database import Database


def refunder(db: Database, seams: Seams) -> Refunder:
    """Takes refunds on: it asks for their payouts, and follows them."""
    pays = Payouts(seams.clock, seams.entropy, seams.outbox)
    return Refunder(db, RefundSteps(seams.clock, seams.outbox, pays), seams.failpoints)
