"""Which payouts a lane's next batch takes, the ids they get, and the gas and the call that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from bascule.domain import vault as layout
from bascule.domain.chain import Address
from bascule.services.submitted_batch import reference_of
from bascule.storage.lanes import Lane
from bascule.storage.payouts import WaitingRow
from bascule.storage.tokens import Token

# The vault wants 200,000 gas left before each token call (contracts/README.md), and a transfer to a new
# holder in a token behind a proxy stays below 60,000; 256 items stay below 2**24 gas (EIP-7825).
GAS_OF_BATCH = 300_000
GAS_OF_ITEM = 60_000

Row = TypeVar("Row", bound=WaitingRow)  # as much of a payout as was read


@dataclass(frozen=True, slots=True)
class Choice(Generic[Row]):
    """A batch that could be taken now: payouts with the ids they would have, in one word.

    short: why nothing is given of what could be: the vault has too little, or its rolling limit is used up.
    """

    token: Token
    word: int
    given: Sequence[tuple[int, Row]]
    next_sequence: int
    deadline: datetime
    short: str | None

    @property
    def gas(self) -> int:
        """The gas limit of the batch."""
        return GAS_OF_BATCH + GAS_OF_ITEM * len(self.given)

    @property
    def placed(self) -> list[tuple[int, Row]]:
        """Each payout with its bit in the word, in rising order."""
        return [(layout.index_of(vault_id), payout) for vault_id, payout in sorted(self.given, key=_by_id)]

    def only(self, lane: Lane, payouts: Sequence[Row]) -> Choice[Row]:
        """The choice with these of its payouts alone, so that no id is left out."""
        if len(payouts) == len(self.given):
            return self
        given, next_sequence = with_ids(lane, self.word, payouts)
        return replace(self, given=given, next_sequence=next_sequence)

    def calldata(self, lane: Lane) -> bytes:
        """The call the batch would be."""
        return layout.Batch(
            token=Address(self.token.contract),
            lane=lane.lane,
            expected_head=lane.head,
            word=self.word,
            items=tuple(layout.pack_item(index, p.amount, p.destination) for index, p in self.placed),
            tags=tuple(layout.tag(reference_of(payout)) for _, payout in self.placed),
            deadline=int(self.deadline.timestamp()),
        ).calldata()


def covered(waiting: Sequence[Row], left: int) -> list[Row]:
    """The oldest payouts that this much covers; what does not fit is not overtaken."""
    taken: list[Row] = []
    for payout in waiting:
        if payout.amount > left:
            break
        left -= payout.amount
        taken.append(payout)
    return taken


def with_ids(lane: Lane, word: int, waiting: Sequence[Row]) -> tuple[list[tuple[int, Row]], int]:
    """Each payout with its id in `word`: the one it keeps, or the lane's next; and the next free sequence.

    Payouts for which the word has no bit left are left out.
    """
    next_sequence = lane.next_sequence
    given: list[tuple[int, Row]] = []
    for payout in waiting:
        vault_id = payout.vault_id
        if vault_id is None:
            vault_id = layout.make_id(lane.lane, next_sequence)
            if layout.word_of(vault_id) != word:
                continue
            next_sequence += 1
        given.append((vault_id, payout))
    return given, next_sequence


def _by_id(pair: tuple[int, WaitingRow]) -> int:
    return pair[0]
