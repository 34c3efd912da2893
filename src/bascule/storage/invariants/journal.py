"""The journal against itself."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G1", "the entries of each token sum to zero, posted and held", "journal", ("sums",)),
    Check("G2", "each transaction balances", "journal", ("transactions",)),
    Check("G3", "each balance is the sum of its entries", "journal", ("tallies", "closings")),
)
