"""Rows against the rows they belong to or wait for."""

from typing import Final

from bascule.storage.invariants.check import Check

CHECKS: Final = (
    Check("G8", "each event has its number and its deliveries", "rows", ("told",)),
    Check("G10", "nothing waits for what has happened", "rows", ("waiting",)),
    Check("G11", "no account's rows stand under another", "rows", ("tenants",)),
)
