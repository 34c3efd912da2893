"""The order in which a block takes transactions: best tip first, then arrival, each sender's by nonce."""

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bascule.entrypoints.devchain import admission

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI


class ByPrice:
    """Hands out `waiting`, given in order of arrival, as geth's miner does. base_fee: the block's, in wei."""

    def __init__(self, waiting: Sequence["SignedTransactionAPI"], base_fee: int) -> None:
        self._base_fee = base_fee
        self._arrival = {tx.hash: place for place, tx in enumerate(waiting)}
        self._runs: dict[bytes, list[SignedTransactionAPI]] = {}
        for tx in waiting:
            self._runs.setdefault(tx.sender, []).append(tx)
        for run in self._runs.values():
            run.sort(key=lambda tx: tx.nonce, reverse=True)
        self._heap = [self._offer(run[-1]) for run in self._runs.values()]
        heapq.heapify(self._heap)

    def best(self) -> "SignedTransactionAPI | None":
        """Returns the next transaction to try; None at the end."""
        return self._runs[self._heap[0][2]][-1] if self._heap else None

    def taken(self) -> None:
        """The best one is dealt with: its sender's next nonce takes its place."""
        run = self._runs[self._heap[0][2]]
        run.pop()
        if run:
            heapq.heapreplace(self._heap, self._offer(run[-1]))
        else:
            heapq.heappop(self._heap)

    def set_aside(self) -> None:
        """The best one cannot be in this block, hence nothing of its sender any more."""
        heapq.heappop(self._heap)

    def _offer(self, tx: "SignedTransactionAPI") -> tuple[int, int, bytes]:
        return -admission.tip(tx, self._base_fee), self._arrival[tx.hash], tx.sender
