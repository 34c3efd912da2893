"""What happens on the chain, told to whoever listens: blocks replaced and added, transactions now pending."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bascule.entrypoints.devchain.records import Block

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI


class Listener(Protocol):
    """Is called on the event loop, after the chain has changed; must not wait and must not raise."""

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> None:
        """The chain lost its last blocks `removed` and got `added` instead, lowest first."""

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> None:
        """These wait, and can be mined from now on."""


class Feed:
    """The listeners. Owned by the event loop."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def join(self, listener: Listener) -> None:
        """Tells `listener` everything from now on."""
        self._listeners.append(listener)

    def leave(self, listener: Listener) -> None:
        """Tells it nothing any more."""
        self._listeners.remove(listener)

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> None:
        """Passes on a change of the chain."""
        for listener in tuple(self._listeners):
            listener.moved(removed, added)

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> None:
        """Passes on what became pending."""
        if transactions:
            for listener in tuple(self._listeners):
                listener.pending(transactions)
