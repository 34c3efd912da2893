"""Every move of a payout has its event, and every event of a payout's fate tells a move."""

from bascule.domain.payout import PAYOUT
from bascule.domain.payout_told import TOLD, fitting


def test_every_move_has_its_event() -> None:
    assert set(TOLD) == set(PAYOUT.table)


def test_what_is_no_move_is_told_by_nothing() -> None:
    moves = {(move.source, move.target) for move in PAYOUT.moves}
    for source in PAYOUT.states:
        for target in PAYOUT.states:
            assert bool(fitting(source, target)) == ((source, target) in moves)
