"""The local chain: canonical blocks, waiting transactions, mining, reorgs and snapshots.

The event loop owns the index and the pool, one worker thread owns the EVM. Whatever changes the chain does
so under one lock: build in the thread, store, then publish in one step, so readers never see half a reorg.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from bascule.entrypoints.devchain.errors import RpcError, invalid_params, refused
from bascule.entrypoints.devchain.evm import Account, Evm
from bascule.entrypoints.devchain.feed import Feed
from bascule.entrypoints.devchain.index import Index
from bascule.entrypoints.devchain.journal import Journal
from bascule.entrypoints.devchain.pool import Head, Limits, Pool
from bascule.entrypoints.devchain.records import Block, Change
from bascule.entrypoints.devchain.store import Store
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

T = TypeVar("T")
BLOB_TYPE = 3
# How many entries of mined transactions the journal may hold before it is written anew.
SPARE_ENTRIES = 1_000


class Snapshot(NamedTuple):
    """What `evm_revert` goes back to."""

    number: int
    hash: bytes
    waiting: tuple["SignedTransactionAPI", ...]
    time_offset: int


class Preview(NamedTuple):
    """The block that would come next, and what its state adds to the database."""

    parent: bytes
    base_fee: int
    waiting: tuple[bytes, ...]
    block: Block
    nodes: dict[bytes, bytes]


class LocalChain:
    """One chain. Raises `DataDirError` at construction when its data directory cannot be used."""

    def __init__(
        self,
        *,
        data_dir: Path | None,
        chain_id: int,
        safe: int,
        finalized: int,
        clock: Callable[[], float],
        limits: Limits,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.chain_id = chain_id
        self.index = Index()
        self.pool = Pool(limits, clock)
        self.feed = Feed()
        self.distances = {"safe": safe, "finalized": finalized}
        self.time_offset = 0
        # base fees that the next blocks will have whatever EIP-1559 says, in wei
        self._set_base_fees: list[int] = []
        self._clock = clock
        self._snapshots: list[Snapshot] = []
        self._preview: Preview | None = None
        self._changing = asyncio.Lock()
        self._store = Store(data_dir, chain_id, failpoints)
        self._evm = Evm(chain_id, self._store.genesis.time)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evm")
        self.index.apply(Change(0, (self._evm.genesis,), ()))
        for change in self._store.changes():
            self._evm.nodes.load(change.nodes)
            self.index.apply(change)
        self._journal = Journal(data_dir)
        stored = [tx for raw in self._journal.read() if (tx := _stored(self._evm, raw)) is not None]
        self._refill(stored, self._evm.accounts(self.index.head.hash, {tx.sender for tx in stored}))

    async def close(self) -> None:
        """Finishes the work at hand and frees the data directory. Idempotent."""
        async with self._changing:
            await asyncio.to_thread(self._worker.shutdown)
            self._store.close()

    async def evm(self, work: Callable[[Evm], T]) -> T:
        """Runs `work` on the thread that owns the EVM."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, self._evm)

    async def preview(self) -> Preview:
        """Returns what the tag `pending` stands for: the next block as it would be, mined by nobody."""
        parent, waiting = self.index.head, self.pool.all()
        base_fee = self.next_base_fee
        key = parent.hash, base_fee, tuple(tx.hash for tx in waiting)
        if self._preview is not None and key == self._preview[:3]:
            return self._preview
        at = max(parent.time + 1, int(self._clock()) + self.time_offset)
        nodes: dict[bytes, bytes] = {}

        def build(evm: Evm) -> Block:
            with evm.nodes.aside(nodes):
                return evm.build(parent.hash, waiting, at, base_fee).block

        self._preview = Preview(*key, await self.evm(build), nodes)
        return self._preview

    def tagged(self, tag: str) -> Block:
        """Returns the block that a tag stands for now; `pending` counts as `latest`, see `preview`."""
        if tag == "earliest":
            return self.index.blocks[0]
        height = self.index.head.number - self.distances.get(tag, 0)
        return self.index.blocks[max(0, height)]

    @property
    def next_base_fee(self) -> int:
        """The base fee of the next block, in wei."""
        return self._set_base_fees[0] if self._set_base_fees else self.index.head.next_base_fee

    def set_finality(self, safe: int | None = None, finalized: int | None = None) -> None:
        """Sets how many blocks the tags stay behind the head; what is not given stays as it is."""
        wanted = {"safe": safe, "finalized": finalized}
        distances = self.distances | {
            tag: distance for tag, distance in wanted.items() if distance is not None
        }
        if distances["safe"] > distances["finalized"]:
            raise invalid_params("safe must not be further from the head than finalized")
        self.distances = distances

    async def send(self, raw: bytes) -> bytes:
        """Lets a signed transaction wait and returns its hash; raises `RpcError` in geth's words."""
        async with self._changing:
            head = self.index.head
            tx, account = await self.evm(lambda evm: _read(evm, raw, head.hash, self.chain_id))
            promoted = self.pool.admit(tx, account, self._head())
            self._journal.append([raw])
            self.feed.pending(promoted)
        return bytes(tx.hash)

    async def forget(self, tx_hash: bytes) -> bool:
        """Drops a waiting transaction, as a full pool does, for good; False if none with that hash waits."""
        async with self._changing:
            if self.pool.get(tx_hash) is None:
                return False
            self.pool.discard([tx_hash])
            self._journal.replace(self.pool.raws())
            return True

    async def set_base_fee(self, base_fee: int, blocks: int) -> None:
        """Sets the base fee (wei) of so many next blocks, instead of what was set before."""
        async with self._changing:
            self._set_base_fees = [base_fee] * blocks

    async def mine(self, count: int = 1, timestamp: int | None = None) -> Block:
        """Mines blocks, the first one with all that waits and fits, and returns the last.

        `timestamp` (seconds) is the first block's; it must be later than the head's. Otherwise a block takes
        the clock's time, or one second after its parent where that is not later.
        """
        async with self._changing:
            if timestamp is not None:
                if timestamp <= self.index.head.time:
                    raise invalid_params(
                        f"timestamp {timestamp} is not after the head's {self.index.head.time}"
                    )
                self.time_offset = timestamp - int(self._clock())
            for _ in range(count):
                await self._extend(len(self.index.blocks), [None], self.pool.all())
            return self.index.head

    async def reorg(self, depth: int, drop: Collection[bytes] = (), *, strict: bool = False) -> Block:
        """Replaces the last `depth` blocks by `depth` + 1 others and returns the new head.

        The first `depth` new blocks are empty; the last carries what the replaced blocks held and what waits,
        without the transactions in `drop`, which are forgotten. All of it becomes visible in one step.
        strict: each of `drop` is in those blocks or waits, or it is refused and nothing changes.
        """
        async with self._changing:
            height = self.index.head.number
            if not 1 <= depth <= height:
                raise invalid_params(f"depth must be from 1 to {height}, the number of blocks above genesis")
            keep = height + 1 - depth
            replaced = self.index.blocks[keep:]
            if strict:
                self._require_there(drop, replaced)
            raws = [tx.raw for block in replaced for tx in block.transactions if tx.hash not in drop]
            returned = await self.evm(lambda evm: [evm.decode(raw) for raw in raws])
            self.pool.discard(drop)
            self._journal.append([tx.encode() for tx in returned])
            times = [*(block.time for block in replaced), None]
            waiting = [*(tx for tx in returned if tx.hash not in drop), *self.pool.all()]
            accounts = await self._extend(keep, times, waiting)
            mined = {tx.hash for tx in self.index.head.transactions}
            self._readmit([tx for tx in returned if tx.hash not in mined], accounts)
            self._journal.replace(self.pool.raws())
            return self.index.head

    def _require_there(self, drop: Collection[bytes], replaced: Sequence[Block]) -> None:
        there = {tx.hash for block in replaced for tx in block.transactions}
        for tx_hash in drop:
            if tx_hash not in there and self.pool.get(tx_hash) is None:
                named = "0x" + tx_hash.hex()
                raise invalid_params(
                    f"drop: {named} is in none of the last {len(replaced)} blocks, and does not wait", named
                )

    def snapshot(self) -> int:
        """Remembers the chain as it is and returns the snapshot's number, from 1."""
        head = self.index.head
        self._snapshots.append(Snapshot(head.number, head.hash, self.pool.all(), self.time_offset))
        return len(self._snapshots)

    async def revert(self, number: int) -> bool:
        """Goes back to a snapshot, using up it and later ones; False if it or its block is gone."""
        async with self._changing:
            if not 1 <= number <= len(self._snapshots):
                return False
            target = self._snapshots[number - 1]
            del self._snapshots[number - 1 :]
            if self.index.by_hash(target.hash) is None:
                return False
            removed = self._publish(Change(target.number + 1, (), ()))
            senders = {tx.sender for tx in target.waiting}
            self._refill(target.waiting, await self.evm(lambda evm: evm.accounts(target.hash, senders)))
            self.time_offset = target.time_offset
            self.feed.moved(removed, ())
            return True

    async def _extend(
        self, keep: int, times: Sequence[int | None], waiting: Sequence["SignedTransactionAPI"]
    ) -> Mapping[bytes, Account]:
        """Builds one block per entry of `times` on height `keep` - 1; the last one takes the transactions.

        Returns the accounts of all senders as the new head leaves them; the pool has settled on them.
        """
        parent = self.index.blocks[keep - 1]
        now = int(self._clock()) + self.time_offset
        base_fees = self._set_base_fees[: len(times)]
        senders = {tx.sender for tx in waiting} | self.pool.senders().keys()

        def build(evm: Evm) -> tuple[Change, tuple[bytes, ...], Mapping[bytes, Account]]:
            blocks: list[Block] = []
            tip = parent
            spent: tuple[bytes, ...] = ()
            for position, wanted in enumerate(times, 1):
                payload = waiting if position == len(times) else ()
                at = max(tip.time + 1, now if wanted is None else wanted)
                base_fee = base_fees[position - 1] if position <= len(base_fees) else None
                tip, spent = evm.build(tip.hash, payload, at, base_fee)
                blocks.append(tip)
            change = Change(keep, tuple(blocks), evm.nodes.take())
            return change, spent, evm.accounts(tip.hash, senders)

        change, spent, accounts = await self.evm(build)
        removed = self._publish(change)
        del self._set_base_fees[: len(base_fees)]
        self.pool.discard(spent)
        promoted = self.pool.settle(accounts, self.index.head.gas_limit)
        self.feed.moved(removed, change.blocks)
        self.feed.pending(promoted)
        if self._journal.entries > 2 * len(self.pool) + SPARE_ENTRIES:
            self._journal.replace(self.pool.raws())
        return accounts

    def _head(self) -> Head:
        return Head(self.index.head.gas_limit, self.next_base_fee)

    def _refill(self, waiting: Sequence["SignedTransactionAPI"], accounts: Mapping[bytes, Account]) -> None:
        self.pool.clear()
        self._readmit(waiting, accounts)
        self._journal.replace(self.pool.raws())

    def _readmit(self, waiting: Sequence["SignedTransactionAPI"], accounts: Mapping[bytes, Account]) -> None:
        """Lets transactions wait again; what the rules refuse by now is forgotten, as geth does."""
        for tx in waiting:
            with suppress(RpcError):
                self.feed.pending(self.pool.admit(tx, accounts[tx.sender], self._head()))

    def _publish(self, change: Change) -> Sequence[Block]:
        self._store.append(change)
        return self.index.apply(change)


def _stored(evm: Evm, raw: bytes) -> "SignedTransactionAPI | None":
    """Returns a transaction of the journal; None for what is none."""
    try:
        tx, _ = _read(evm, raw, evm.genesis.hash, evm.chain.chain_id)
    except RpcError:
        return None
    return tx


def _read(evm: Evm, raw: bytes, head: bytes, chain_id: int) -> tuple["SignedTransactionAPI", Account]:
    """Decodes a signed transaction and reads its sender's account; nonsense of any kind is refused."""
    if raw[:1] == bytes([BLOB_TYPE]):
        raise refused("blob transactions are not supported by this chain")
    try:
        tx = evm.decode(raw)
        if tx.chain_id is not None and tx.chain_id != chain_id:
            raise refused(f"invalid sender: invalid chain id for signer: have {tx.chain_id} want {chain_id}")
        tx.validate()
        tx.check_signature_validity()
        sender = tx.sender
    except RpcError:
        raise
    except Exception as error:  # the decoders raise whatever their bytes provoke
        raise refused(f"invalid transaction: {error}") from error
    return tx, evm.account(head, sender)


def wall_clock() -> float:
    """Returns the time of day in Unix seconds."""
    return time.time()
