"""A break: a difference that reconciliation found between the chain and the books."""

from enum import StrEnum

from bascule.domain.machine import Machine


class BreakState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class BreakEvent(StrEnum):
    RESOLVE = "resolve"


S, E = BreakState, BreakEvent

BREAK = Machine(
    "break",
    BreakState,
    BreakEvent,
    initial=(S.OPEN,),
    table={(S.OPEN, E.RESOLVE): S.RESOLVED},
    sentences={
        S.OPEN: "The difference stands unexplained.",
        S.RESOLVED: "A posting or an approval explains it, and is named.",
    },
)
