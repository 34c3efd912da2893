"""The journal against what came to us on the chain."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G4", "custody is what the chain holds", "custody", ("custody",)),
    Check("G5", "each final transfer to us is booked once, and nothing else is", "custody", ("transfers",)),
)
