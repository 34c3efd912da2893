"""Filters that are asked instead of listened to: eth_newFilter and its kin, for clients without WebSocket."""

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bascule.entrypoints.devchain import log_filter, params
from bascule.entrypoints.devchain.chain import LocalChain
from bascule.entrypoints.devchain.errors import refused
from bascule.entrypoints.devchain.interests import Interest, Logs, NewBlocks, Pending
from bascule.entrypoints.devchain.reads import Reads
from bascule.entrypoints.devchain.records import Block

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

# geth forgets a filter that nobody asked for so long.
LIFETIME = 300.0
MAX_FILTERS = 1_000
MAX_RESULTS = 100_000


class Filter:
    """What happened since it was last asked; `criteria` are those of a log filter."""

    def __init__(self, interest: Interest, criteria: object) -> None:
        self.interest = interest
        self.criteria = criteria
        self.results: list[Any] = []
        self.asked = time.monotonic()


class Filters:
    """All filters of a chain. One that is not asked for five minutes, or holds too much, is forgotten."""

    def __init__(self, chain: LocalChain, reads: Reads) -> None:
        self._reads = reads
        self._filters: dict[str, Filter] = {}
        chain.feed.join(self)

    def new_logs(self, criteria: object) -> str:
        """eth_newFilter: logs from now on; a range of blocks counts for eth_getFilterLogs alone."""
        return self._add(Logs(log_filter.log_filter(log_filter.members(criteria))), criteria)

    def new_blocks(self) -> str:
        """eth_newBlockFilter: hashes of new blocks."""
        return self._add(NewBlocks())

    def new_pending(self, full: object = False) -> str:
        """eth_newPendingTransactionFilter: hashes, or whole transactions."""
        return self._add(Pending(full=params.boolean(full, "full")))

    def changes(self, name: object) -> list[Any]:
        """eth_getFilterChanges: what happened since the last time."""
        found = self._find(name)
        results, found.results = found.results, []
        return results

    def logs(self, name: object) -> list[Any]:
        """eth_getFilterLogs: all logs that match, as eth_getLogs."""
        found = self._find(name)
        if found.criteria is None:
            raise refused("filter not found")
        return self._reads.logs(found.criteria)

    def uninstall(self, name: object) -> bool:
        """eth_uninstallFilter: false if there was none."""
        return isinstance(name, str) and self._filters.pop(name, None) is not None

    def moved(self, removed: Sequence[Block], added: Sequence[Block]) -> None:
        """Keeps what a change of the chain means to each filter."""
        for name, kept in tuple(self._filters.items()):
            self._keep(name, kept, kept.interest.moved(removed, added))

    def pending(self, transactions: "Sequence[SignedTransactionAPI]") -> None:
        """Keeps what became pending."""
        for name, kept in tuple(self._filters.items()):
            self._keep(name, kept, kept.interest.pending(transactions))

    def _add(self, interest: Interest, criteria: object = None) -> str:
        if len(self._filters) >= MAX_FILTERS:
            raise refused(f"too many filters: at most {MAX_FILTERS}")
        name = hex(secrets.randbits(128))
        self._filters[name] = Filter(interest, criteria)
        return name

    def _find(self, name: object) -> Filter:
        found = self._filters.get(name) if isinstance(name, str) else None
        if found is None:
            raise refused("filter not found")
        found.asked = time.monotonic()
        return found

    def _keep(self, name: str, kept: Filter, results: Iterable[Any]) -> None:
        kept.results.extend(results)
        if len(kept.results) > MAX_RESULTS or time.monotonic() - kept.asked > LIFETIME:
            del self._filters[name]
