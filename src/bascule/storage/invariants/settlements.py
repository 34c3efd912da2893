"""Settlements against the payouts that pay them."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G16", "a period is settled once, by its own payout", "settlements", ("settlements", "strangers")),
)
