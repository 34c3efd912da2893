"""What merchants are charged against what they were credited."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (Check("G14", "each fee is what the version in force says", "fees", ("charged",)),)
