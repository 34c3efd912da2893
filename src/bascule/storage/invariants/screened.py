"""What screening holds against the books and against what went out."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (Check("G15", "what screening holds reaches no balance and no payee", "screened", ("held",)),)
