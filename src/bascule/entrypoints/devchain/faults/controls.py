"""The methods that set, end and list faults, for the local chain and for a proxy alike."""

from collections.abc import Callable
from typing import Any

from bascule.entrypoints.devchain.faults.armed import Faults


def fault_controls(faults: Faults) -> dict[str, Callable[..., Any]]:
    """Returns the methods by name."""

    def set_fault(specification: object) -> dict[str, int]:
        """bascule_setFault: `{kind, …}`; returns its number."""
        return {"id": faults.set(specification)}

    def clear_faults(ids: object = None) -> dict[str, list[int]]:
        """bascule_clearFaults: all, or those numbers; returns the numbers that ended."""
        return {"cleared": faults.clear(ids)}

    return {
        "bascule_setFault": set_fault,
        "bascule_clearFaults": clear_faults,
        "bascule_faults": faults.listed,
    }
