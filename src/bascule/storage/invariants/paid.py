"""Payouts against what left us on the chain."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G6", "each paid payout has one transfer, exactly its own", "paid", ("payouts",)),
    Check("G7", "nothing leaves us without an approved payout", "paid", ("outflows",)),
)
