"""Block zero: a million ETH for each development account, the CREATE2 deployment proxy, Prague rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth_tester import PyEVMBackend  # type: ignore[import-untyped]
from eth_tester.backends.pyevm.main import get_default_genesis_params  # type: ignore[import-untyped]

from bascule.entrypoints.devchain.accounts import dev_accounts

if TYPE_CHECKING:
    from eth.abc import BlockHeaderAPI
    from eth.chains.base import MiningChain

# The deterministic deployment proxy that stands at this address on every public chain
# (https://github.com/Arachnid/deterministic-deployment-proxy): calldata is salt ++ init code.
PROXY_ADDRESS = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
GAS_LIMIT = 30_000_000
FUNDS = 1_000_000 * 10**18  # wei, for each development account


class NodeStore(MemoryDB):
    """The database under the EVM, in memory; remembers what was written since the last `take`.

    While `aside` holds, writes go into the given dictionary alone and reads see it first: a block that is a
    mere preview leaves nothing behind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[bytes, bytes] = {}
        self._aside: dict[bytes, bytes] | None = None

    def __getitem__(self, key: bytes) -> bytes:
        if self._aside is not None and key in self._aside:
            return self._aside[key]
        return super().__getitem__(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if self._aside is not None:
            self._aside[key] = value
            return
        super().__setitem__(key, value)
        self._written[key] = value

    def _exists(self, key: bytes) -> bool:
        return (self._aside is not None and key in self._aside) or super()._exists(key)

    @contextmanager
    def aside(self, entries: dict[bytes, bytes]) -> Iterator[None]:
        """Reads and writes beside what is kept, in `entries`."""
        self._aside = entries
        try:
            yield
        finally:
            self._aside = None

    def take(self) -> tuple[tuple[bytes, bytes], ...]:
        """Returns the entries written since the last call, so that they can be stored."""
        written, self._written = self._written, {}
        return tuple(written.items())

    def load(self, nodes: tuple[tuple[bytes, bytes], ...]) -> None:
        """Puts stored entries back without remembering them as new."""
        self.kv_store.update(nodes)


class First(NamedTuple):
    """Block zero as every chain here has it, but for its time, and the state under it."""

    chain_type: "type[MiningChain]"
    header: "BlockHeaderAPI"
    nodes: tuple[tuple[bytes, bytes], ...]


@cache
def _first() -> First:
    """Executed once in a process: the accounts' trie takes 10 ms, and tests start hundreds of chains."""
    state: dict[bytes, Any] = {
        bytes.fromhex(account.address[2:]): {"balance": FUNDS, "nonce": 0, "code": b"", "storage": {}}
        for account in dev_accounts()
    }
    state[PROXY_ADDRESS] = {"balance": 0, "nonce": 1, "code": PROXY_CODE, "storage": {}}
    parameters = get_default_genesis_params({"timestamp": 0, "gas_limit": GAS_LIMIT})
    chain: MiningChain = PyEVMBackend(parameters, state).chain
    database: Any = chain.chaindb.db
    header = chain.get_canonical_head()
    entries = database.wrapped_db.kv_store.items()  # state and code by 32 bytes, and what tells of the header
    nodes = tuple((key, value) for key, value in entries if len(key) == 32 and key != header.hash)
    return First(type(chain), header, nodes)


def genesis_chain(chain_id: int, timestamp: int) -> tuple["MiningChain", NodeStore]:
    """Returns a chain that has block zero only; equal arguments give an equal genesis hash."""
    first, store = _first(), NodeStore()
    store.load(first.nodes)
    chain: Any = first.chain_type.from_genesis_header(AtomicDB(store), first.header.copy(timestamp=timestamp))
    chain.chain_id = chain_id
    store.take()  # block zero is made anew at each start, not stored
    return chain, store
