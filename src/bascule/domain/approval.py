"""What approvers sign: one payout with one content, a batch of them, or whose an address is.

Each message is EIP-712 (`domain.typed_data`), whose domain binds the signature to one vault on one chain.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bascule.domain import typed_data
from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.typed_data import Struct, Value

LEAF = 32  # bytes of an item in what is signed

_PAYOUT = Struct(
    "PayoutApproval",
    (
        ("account", "string"),
        ("payout", "string"),
        ("token", "address"),
        ("to", "address"),
        ("amount", "uint256"),
        ("expiry", "uint256"),
        ("rosterVersion", "uint256"),
    ),
)
_ITEM = Struct(
    "Item",
    (("payout", "string"), ("token", "address"), ("to", "address"), ("amount", "uint256")),
)
_TOTAL = Struct("Total", (("token", "address"), ("amount", "uint256")))
_BATCH = Struct(
    "BatchApproval",
    (
        ("account", "string"),
        ("batch", "string"),
        ("count", "uint256"),
        ("totals", "Total[]"),
        ("items", "Item[]"),
        ("expiry", "uint256"),
        ("rosterVersion", "uint256"),
    ),
    parts=(_ITEM, _TOTAL),
)
_DESTINATION = Struct(
    "DestinationApproval",
    (
        ("account", "string"),
        ("destination", "string"),
        ("to", "address"),
        ("label", "string"),
        ("rosterVersion", "uint256"),
    ),
)


@dataclass(frozen=True, slots=True)
class PayoutApproval:
    """One approver's word for one payout. amount: base units; expiry: unix seconds, inclusive."""

    account: str
    payout: str
    token: Address
    to: Address
    amount: int
    expiry: int
    roster_version: int

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        return typed_data.digest(_PAYOUT.hash(*self._values()), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address) -> dict[str, Any]:
        """The same as JSON for wallets (eth_signTypedData_v4); amounts are decimal strings."""
        return typed_data.typed_data(_PAYOUT, _PAYOUT.told(*self._values()), chain_id, vault)

    def _values(self) -> tuple[Value, ...]:
        return (
            self.account,
            self.payout,
            self.token,
            self.to,
            self.amount,
            self.expiry,
            self.roster_version,
        )


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A payout as it stands in a batch. amount: base units."""

    payout: str
    token: Address
    to: Address
    amount: int

    def leaf(self) -> Hash:
        """The 32 bytes of this content; who keeps the leaves of a batch keeps what was signed."""
        return _ITEM.hash(*self._values())

    def _values(self) -> tuple[Value, ...]:
        return self.payout, self.token, self.to, self.amount

    def told(self) -> dict[str, Any]:
        """The item as a wallet shows it."""
        return _ITEM.told(*self._values())


@dataclass(frozen=True, slots=True)
class BatchApproval:
    """One approver's word for a whole batch: each item in its place, and the sum of each token.

    leaves: of the items in their order, joined; totals: base units by token; expiry: unix seconds, inclusive.
    """

    account: str
    batch: str
    totals: tuple[tuple[Address, int], ...]
    leaves: bytes
    expiry: int
    roster_version: int

    def __post_init__(self) -> None:
        assert self.leaves, "a batch has an item"
        assert len(self.leaves) % LEAF == 0, "a leaf has 32 bytes"

    @classmethod
    def of(
        cls, account: str, batch: str, items: Sequence[BatchItem], *, expiry: int, roster_version: int
    ) -> "BatchApproval":
        """The text for these items in this order; totals stand in the order of the tokens' addresses."""
        totals: Counter[Address] = Counter()
        for item in items:
            totals[item.token] += item.amount
        leaves = b"".join([item.leaf() for item in items])
        return cls(account, batch, tuple(sorted(totals.items())), leaves, expiry, roster_version)

    @property
    def count(self) -> int:
        """How many items it has."""
        return len(self.leaves) // LEAF

    def has(self, position: int, leaf: Hash) -> bool:
        """Whether exactly this item stands at a position, counted from 0."""
        return 0 <= position < self.count and self.leaves[position * LEAF : (position + 1) * LEAF] == leaf

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        totals = typed_data.list_hash(b"".join([_TOTAL.hash(*total) for total in self.totals]))
        items = typed_data.list_hash(self.leaves)
        values = self.account, self.batch, self.count, totals, items, self.expiry, self.roster_version
        return typed_data.digest(_BATCH.hash(*values), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address, items: Sequence[BatchItem]) -> dict[str, Any]:
        """The same as JSON for wallets, with each item in full: the wallet itself hashes what it shows."""
        assert b"".join([item.leaf() for item in items]) == self.leaves, "the items that stand in the leaves"
        message = {
            "account": self.account,
            "batch": self.batch,
            "count": str(self.count),
            "totals": [_TOTAL.told(*total) for total in self.totals],
            "items": [item.told() for item in items],
            "expiry": str(self.expiry),
            "rosterVersion": str(self.roster_version),
        }
        return typed_data.typed_data(_BATCH, message, chain_id, vault)


@dataclass(frozen=True, slots=True)
class DestinationApproval:
    """One approver's word that this address is whom the label says."""

    account: str
    destination: str
    to: Address
    label: str
    roster_version: int

    def digest(self, chain_id: ChainId, vault: Address) -> Hash:
        """The 32 bytes an approver's key signs."""
        return typed_data.digest(_DESTINATION.hash(*self._values()), chain_id, vault)

    def typed_data(self, chain_id: ChainId, vault: Address) -> dict[str, Any]:
        """The same as JSON for wallets."""
        return typed_data.typed_data(_DESTINATION, _DESTINATION.told(*self._values()), chain_id, vault)

    def _values(self) -> tuple[Value, ...]:
        return self.account, self.destination, self.to, self.label, self.roster_version
