"""Who must act after a decision of policy, as it stood then: kept with the rule that decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bascule.domain.chain import Address, checksum


class Actor(StrEnum):
    """Whose turn it is."""

    APPROVERS = "approvers"
    SUBMITTER = "submitter"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ActsNext:
    """approvers: people of whom so many as `approvals_missing` must sign; none unless it is their turn."""

    actor: Actor
    approvers: frozenset[Address] = frozenset()
    approvals_missing: int = 0

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "actor": self.actor.value,
            "approvers": [checksum(each) for each in sorted(self.approvers)],
            "approvals_missing": self.approvals_missing,
        }


SUBMITTER = ActsNext(Actor.SUBMITTER)
NOBODY = ActsNext(Actor.NOBODY)


def people(approvers: Collection[Address], missing: int) -> ActsNext:
    """So many of these must sign."""
    return ActsNext(Actor.APPROVERS, frozenset(approvers), missing)


def record(rule: str, reasons: Collection[str], acts_next: ActsNext) -> dict[str, Any]:
    """A decision as it is kept beside what it decided on, and shown with it."""
    return {"rule": rule, "reasons": list(reasons), "acts_next": acts_next.shown()}


def recorded(decision: Mapping[str, Any]) -> dict[str, Any]:
    """A kept decision as it is shown; those of earlier releases do not say who acts next."""
    return {"acts_next": None, **decision}
