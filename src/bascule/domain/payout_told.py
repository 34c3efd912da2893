"""What is told of each move of a payout: every one has its event, whoever made it."""

from collections.abc import Mapping

from bascule.domain.payout import PAYOUT
from bascule.domain.payout import PayoutEvent as E
from bascule.domain.payout import PayoutState as S
from bascule.domain.webhook import EventType

TOLD: Mapping[tuple[S, E], EventType] = {
    (S.REQUIRES_ACTION, E.APPROVE): EventType.PAYOUT_APPROVED,
    (S.REQUIRES_ACTION, E.REJECT): EventType.PAYOUT_REJECTED,
    (S.REQUIRES_ACTION, E.CANCEL): EventType.PAYOUT_CANCELED,
    (S.REQUIRES_ACTION, E.EXPIRE): EventType.PAYOUT_CANCELED,
    (S.PENDING, E.LAPSE): EventType.PAYOUT_REQUIRES_ACTION,
    (S.PENDING, E.CANCEL): EventType.PAYOUT_CANCELED,
    (S.PENDING, E.DENY): EventType.PAYOUT_FAILED,
    (S.PENDING, E.RESERVE): EventType.PAYOUT_IN_TRANSIT,
    (S.PENDING, E.RETIRE): EventType.PAYOUT_CANCELED,
    (S.IN_TRANSIT, E.LAPSE): EventType.PAYOUT_REQUIRES_ACTION,
    (S.IN_TRANSIT, E.RELEASE): EventType.PAYOUT_UPDATED,
    (S.IN_TRANSIT, E.CANCEL): EventType.PAYOUT_CANCELED,
    (S.IN_TRANSIT, E.RETIRE): EventType.PAYOUT_CANCELED,
    (S.IN_TRANSIT, E.REFUSE): EventType.PAYOUT_FAILED,
    (S.IN_TRANSIT, E.FINALIZE): EventType.PAYOUT_PAID,
}


def fitting(source: S, target: S) -> frozenset[EventType]:
    """The events that may tell a change from one state to another; none for one that is no move."""
    return _FITTING.get((source, target), frozenset())


_FITTING = {
    (move.source, move.target): frozenset(
        TOLD[each.source, each.event]
        for each in PAYOUT.moves
        if (each.source, each.target) == (move.source, move.target)
    )
    for move in PAYOUT.moves
}
