"""What can be followed: new heads, logs, pending transactions; each turns events into JSON results."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from bascule.entrypoints.devchain import encode
from bascule.entrypoints.devchain.log_filter import LogFilter
from bascule.entrypoints.devchain.records import Block

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

# Members of a block that are not its header's.
BODY = ("size", "uncles", "withdrawals")


class Interest:
    """Follows nothing; each kind overrides what it follows."""

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> Iterable[Any]:
        """Returns what a change of the chain means to it, in order."""
        return ()

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> Iterable[Any]:
        """Returns what newly pending transactions mean to it."""
        return ()


class NewHeads(Interest):
    """The header of every block that becomes canonical; after a reorg, those of the whole new branch."""

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> Iterable[Any]:
        for block in added:
            header = msgspec.json.decode(block.json + b"}")
            yield {name: value for name, value in header.items() if name not in BODY}


class NewBlocks(Interest):
    """The hash of every block that becomes canonical."""

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> Iterable[Any]:
        return (encode.data(block.hash) for block in added)


class Logs(Interest):
    """Matching logs; a reorg first sends those of the replaced blocks again, as `removed`, lowest first."""

    def __init__(self, wanted: LogFilter) -> None:
        self._wanted = wanted

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> Iterable[Any]:
        for log in self._wanted.matching(removed):
            yield log.removed_json()
        for log in self._wanted.matching(added):
            yield msgspec.Raw(log.json)


class Pending(Interest):
    """Hashes of transactions that can be mined from now on, or the whole transactions."""

    def __init__(self, *, full: bool) -> None:
        self._full = full

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> Iterable[Any]:
        for tx in transactions:
            yield encode.transaction(tx, None, 0) if self._full else encode.data(tx.hash)
