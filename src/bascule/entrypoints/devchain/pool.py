"""The mempool: which signed transactions wait, by geth's rules and in geth's words.

An account's transactions from its own nonce on, without a gap, are pending: they can be mined in that order.
All others are queued. `admission` says what may wait at all; limits and evictions are here.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from bascule.entrypoints.devchain import admission
from bascule.entrypoints.devchain.errors import refused

if TYPE_CHECKING:
    from eth.abc import SignedTransactionAPI

    from bascule.entrypoints.devchain.evm import Account


class Limits(NamedTuple):
    """geth's defaults (core/txpool/legacypool): slots of 32 KiB, lifetime in seconds, price in wei of tip."""

    price_limit: int = 1
    account_slots: int = 16
    global_slots: int = 5_120
    account_queue: int = 64
    global_queue: int = 1_024
    lifetime: float = 3 * 3_600


class Head(NamedTuple):
    """What the pool needs to know of the chain's head: a block's gas limit and the next base fee in wei."""

    gas_limit: int
    base_fee: int


class Waiting(NamedTuple):
    """A waiting transaction with what is costly to work out again."""

    tx: "SignedTransactionAPI"
    raw: bytes
    slots: int


class Sender:
    """One account's waiting transactions by nonce.

    `end` is the first nonce that is not pending, `spent` the cost of all that is (wei), `beat` when something
    became pending or the first was queued; from then on the queued ones grow stale.
    """

    def __init__(self, account: "Account", beat: float) -> None:
        self.account = account
        self.waiting: dict[int, SignedTransactionAPI] = {}
        self.end = account.nonce
        self.spent = 0
        self.beat = beat

    @property
    def pending(self) -> "list[SignedTransactionAPI]":
        """What can be mined, in nonce order."""
        return [self.waiting[nonce] for nonce in range(self.account.nonce, self.end)]

    @property
    def queued(self) -> "list[SignedTransactionAPI]":
        """What waits behind a gap, in nonce order."""
        return [self.waiting[nonce] for nonce in sorted(self.waiting) if nonce >= self.end]

    @property
    def pending_count(self) -> int:
        """How many are pending."""
        return self.end - self.account.nonce

    @property
    def queued_count(self) -> int:
        """How many are queued."""
        return len(self.waiting) - self.pending_count

    def promote(self) -> "list[SignedTransactionAPI]":
        """Moves `end` as far as there is no gap and returns what became pending."""
        first = self.end
        while (tx := self.waiting.get(self.end)) is not None:
            self.spent += admission.cost(tx)
            self.end += 1
        return [self.waiting[nonce] for nonce in range(first, self.end)]

    def put(self, tx: "SignedTransactionAPI") -> None:
        """Places a transaction, instead of one with the same nonce if there is one."""
        old = self.waiting.get(tx.nonce)
        if old is not None and tx.nonce < self.end:
            self.spent += admission.cost(tx) - admission.cost(old)
        self.waiting[tx.nonce] = tx

    def remove(self, nonce: int) -> None:
        """Takes a transaction out; what followed it is queued from now on."""
        self.spent -= sum(admission.cost(self.waiting[later]) for later in range(nonce, self.end))
        self.end = min(self.end, nonce)
        del self.waiting[nonce]


class Pool:
    """Waiting transactions. Owned by the event loop, never by threads."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._by_hash: dict[bytes, Waiting] = {}
        self._senders: dict[bytes, Sender] = {}
        self._slots = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, tx_hash: bytes) -> "SignedTransactionAPI | None":
        """Returns a waiting transaction."""
        found = self._by_hash.get(tx_hash)
        return found.tx if found else None

    def is_pending(self, tx_hash: bytes) -> bool:
        """Whether a transaction waits and no nonce is missing before it."""
        found = self._by_hash.get(tx_hash)
        return found is not None and found.tx.nonce < self._senders[found.tx.sender].end

    def all(self) -> "tuple[SignedTransactionAPI, ...]":
        """Returns every waiting transaction in order of arrival."""
        return tuple(waiting.tx for waiting in self._by_hash.values())

    def raws(self) -> list[bytes]:
        """Returns the signed bytes of every waiting transaction in order of arrival."""
        return [waiting.raw for waiting in self._by_hash.values()]

    def senders(self) -> Mapping[bytes, Sender]:
        """Returns the accounts that have transactions here."""
        return self._senders

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """Returns the nonce behind the sender's pending transactions."""
        known = self._senders.get(sender)
        return known.end if known else account_nonce

    def admit(
        self, tx: "SignedTransactionAPI", account: "Account", head: Head
    ) -> "list[SignedTransactionAPI]":
        """Lets `tx` wait and returns what is pending since then, or raises `RpcError` and changes nothing.

        account: the sender's at the head, as it was when the pool last settled.
        """
        if tx.hash in self._by_hash:
            raise refused("already known")
        raw = tx.encode()
        admission.check_shape(tx, len(raw), head.gas_limit, self._limits.price_limit)
        sender = self._senders.get(tx.sender) or Sender(account, self._clock())
        rival = sender.waiting.get(tx.nonce)
        admission.check_account(tx, account, sender.spent, rival if tx.nonce < sender.end else None)
        waiting = Waiting(tx, raw, admission.slots(len(raw)))
        victims = self._victims(waiting, sender, head.base_fee)
        if rival is not None and rival.hash not in victims and not admission.outbids(tx, rival):
            raise refused("replacement transaction underpriced")
        self.discard(victims)
        return self._place(waiting, account)

    def settle(self, accounts: "Mapping[bytes, Account]", gas_limit: int) -> "list[SignedTransactionAPI]":
        """Follows the chain: takes over the accounts as a new head left them and forgets what is spent, what
        its sender can no longer pay and what fits into no block. Returns what became pending by that."""
        promoted: list[SignedTransactionAPI] = []
        for address, account in accounts.items():
            sender = self._senders.get(address)
            if sender is None:
                continue
            before, none_queued = {tx.hash for tx in sender.pending}, sender.queued_count == 0
            gone = [
                tx
                for tx in sender.waiting.values()
                if tx.nonce < account.nonce or admission.cost(tx) > account.balance or tx.gas > gas_limit
            ]
            for tx in gone:
                del sender.waiting[tx.nonce]
                self._slots -= self._by_hash.pop(tx.hash).slots
            sender.account, sender.end, sender.spent = account, account.nonce, 0
            newly = [tx for tx in sender.promote() if tx.hash not in before]
            promoted += newly
            if newly or none_queued:
                sender.beat = self._clock()
            if not sender.waiting:
                del self._senders[address]
        self._keep_limits()
        return promoted

    def discard(self, hashes: Iterable[bytes]) -> None:
        """Forgets transactions; what followed them is queued from now on."""
        for tx_hash in hashes:
            waiting = self._by_hash.pop(tx_hash, None)
            if waiting is None:
                continue
            self._slots -= waiting.slots
            sender = self._senders[waiting.tx.sender]
            sender.remove(waiting.tx.nonce)
            if not sender.waiting:
                del self._senders[waiting.tx.sender]

    def clear(self) -> None:
        """Forgets everything."""
        self._by_hash.clear()
        self._senders.clear()
        self._slots = 0

    def _place(self, waiting: Waiting, account: "Account") -> "list[SignedTransactionAPI]":
        tx = waiting.tx
        sender = self._senders.setdefault(tx.sender, Sender(account, self._clock()))
        none_queued, rival = sender.queued_count == 0, sender.waiting.get(tx.nonce)
        if rival is not None:
            self._slots -= self._by_hash.pop(rival.hash).slots
        sender.put(tx)
        self._by_hash[tx.hash] = waiting
        self._slots += waiting.slots
        changed = [tx] if tx.nonce < sender.end else sender.promote()
        if changed or none_queued:
            sender.beat = self._clock()
        self._keep_limits()
        return [one for one in changed if one.hash in self._by_hash]

    def _victims(self, new: Waiting, sender: Sender, base_fee: int) -> Collection[bytes]:
        """Returns what a full pool gives up for a transaction that pays more; refuses one that does not."""
        over = self._slots + new.slots - self._limits.global_slots - self._limits.global_queue
        if over <= 0:
            return ()
        cheapest = heapq.nsmallest(
            over, self._by_hash.values(), key=lambda one: (*admission.price(one.tx, base_fee), -one.tx.nonce)
        )
        if not cheapest or admission.price(new.tx, base_fee) <= admission.price(cheapest[0].tx, base_fee):
            raise refused("transaction underpriced")
        victims: list[SignedTransactionAPI] = []
        for one in cheapest:
            if over > 0:
                victims.append(one.tx)
                over -= one.slots
        if over > 0:
            raise refused("txpool is full")
        if new.tx.nonce > sender.end and any(tx.nonce < self._senders[tx.sender].end for tx in victims):
            raise refused("future transaction tries to replace pending")
        return [tx.hash for tx in victims]

    def _keep_limits(self) -> None:
        self._drop_stale()
        for sender in list(self._senders.values()):
            if sender.queued_count > self._limits.account_queue:
                self.discard([tx.hash for tx in sender.queued[self._limits.account_queue :]])
        self._drop_excess_pending()
        self._drop_excess_queued()

    def _drop_stale(self) -> None:
        oldest = self._clock() - self._limits.lifetime
        for sender in list(self._senders.values()):
            if sender.queued_count and sender.beat < oldest:
                self.discard([tx.hash for tx in sender.queued])

    def _drop_excess_pending(self) -> None:
        """Takes the highest nonces of the largest accounts, never of one within its own slots."""
        excess = sum(s.pending_count for s in self._senders.values()) - self._limits.global_slots
        while excess > 0:
            largest = max(self._senders.values(), key=lambda sender: sender.pending_count)
            if largest.pending_count <= self._limits.account_slots:
                return
            self.discard([largest.waiting[largest.end - 1].hash])
            excess -= 1

    def _drop_excess_queued(self) -> None:
        """Takes the highest nonces of the accounts that moved last, as theirs are the likeliest to return."""
        excess = sum(s.queued_count for s in self._senders.values()) - self._limits.global_queue
        if excess <= 0:
            return
        for sender in sorted(self._senders.values(), key=lambda one: one.beat, reverse=True):
            dropped = sender.queued[-excess:] if excess > 0 else []
            self.discard([tx.hash for tx in dropped])
            excess -= len(dropped)
