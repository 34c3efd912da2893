"""Refunds against the payments they are of and the payouts that pay them."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G13", "never more goes back than became final, each by its own payout", "refunds", ("refunds",)),
)
