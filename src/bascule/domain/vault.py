"""The payout vault's layout: ids, words, items, tags, the batch and the head it leads to.

Frozen with the contract (contracts/src/PayoutVault.sol): money depends on each bit of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from bascule.domain.chain import ZERO_HASH, Address, Hash
from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

LANE_MAX = 2**32 - 1
SEQUENCE_MAX = 2**224 - 1
AMOUNT_MAX = 2**88 - 1
ITEMS_PER_WORD = 256
FIRST_HEAD = ZERO_HASH
# How long a batch may run after it was signed: the signer refuses more, so later none can pay.
LONGEST_BATCH_LIFE = timedelta(hours=1)

PAY_SELECTOR = keccak(b"pay(address,uint32,bytes32,uint256,uint256[],bytes16[],uint64)")[:4]


def make_id(lane: int, sequence: int) -> int:
    """The id of a lane's `sequence`-th payout: lane (32 bits), then sequence (224)."""
    assert 0 <= lane <= LANE_MAX, "lane outside uint32"
    assert 0 <= sequence <= SEQUENCE_MAX, "sequence outside uint224"
    return lane << 224 | sequence


def lane_of(vault_id: int) -> int:
    """The lane an id belongs to."""
    return vault_id >> 224


def sequence_of(vault_id: int) -> int:
    """An id's place in its lane."""
    return vault_id & SEQUENCE_MAX


def word_of(vault_id: int) -> int:
    """The storage word that holds the id's bit; a batch stays inside one word."""
    return vault_id >> 8


def index_of(vault_id: int) -> int:
    """The id's bit in its word, 0 to 255."""
    return vault_id & 0xFF


def id_at(word: int, index: int) -> int:
    """The id of a bit of a word."""
    assert 0 <= index < ITEMS_PER_WORD, "a word has 256 bits"
    return word << 8 | index


def require_payable(amount: int) -> None:
    """Refuse what an item cannot carry. Raises: Rejected `amount_too_small`, `amount_too_large`."""
    if amount <= 0:
        raise Rejected("amount_too_small", "The amount must be more than zero.", param="amount")
    if amount > AMOUNT_MAX:
        raise Rejected("amount_too_large", f"One payout is at most {AMOUNT_MAX} base units.", param="amount")


def pack_item(index: int, amount: int, to: Address) -> int:
    """An item: index in the word (8 bits), amount in base units (88), payee (160)."""
    assert 0 <= index < ITEMS_PER_WORD, "a word has 256 bits"
    assert len(to) == 20, "an address has 20 bytes"
    require_payable(amount)
    return index << 248 | amount << 160 | int.from_bytes(to, "big")


def unpack_item(item: int) -> tuple[int, int, Address]:
    """The (index, amount, to) that `pack_item` packed."""
    return item >> 248, item >> 160 & AMOUNT_MAX, Address((item & (1 << 160) - 1).to_bytes(20, "big"))


def tag(identity: str) -> bytes:
    """The 16 bytes that let a payout be found again from calldata by its everlasting identity.

    identity: must name the account too, as references are unique within one account only.
    """
    return sha256(identity.encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of one `pay`. deadline: unix seconds, the last block time it may run at.

    Raises: Rejected when an item cannot be paid; other mistakes in here are our own.
    """

    token: Address
    lane: int
    expected_head: Hash
    word: int
    items: tuple[int, ...]
    tags: tuple[bytes, ...]
    deadline: int

    def __post_init__(self) -> None:
        assert 0 <= self.lane <= LANE_MAX, "lane outside uint32"
        assert self.word >> 216 == self.lane, "the word is of another lane"
        assert len(self.expected_head) == 32, "a head has 32 bytes"
        assert 0 <= self.deadline < 2**64, "deadline outside uint64"
        assert 1 <= len(self.items) <= ITEMS_PER_WORD, "a batch has 1 to 256 items"
        assert len(self.items) == len(self.tags), "a tag for each item"
        assert all(len(mark) == 16 for mark in self.tags), "a tag has 16 bytes"
        indexes = [item >> 248 for item in self.items]
        assert indexes == sorted(set(indexes)), "indexes rise strictly"
        for item in self.items:
            require_payable(unpack_item(item)[1])

    def calldata(self) -> bytes:
        """The call's bytes in the one canonical ABI encoding."""
        tags_at = 7 * 32 + 32 + 32 * len(self.items)
        words = (
            self.token.rjust(32, b"\0"),
            _uint(self.lane),
            self.expected_head,
            _uint(self.word),
            _uint(7 * 32),
            _uint(tags_at),
            _uint(self.deadline),
            _uint(len(self.items)),
            *map(_uint, self.items),
            _uint(len(self.tags)),
            *(mark.ljust(32, b"\0") for mark in self.tags),
        )
        return PAY_SELECTOR + b"".join(words)

    def next_head(self) -> Hash:
        """The lane's head after this batch: keccak256 of the call's bytes, previous head among them."""
        return next_head(self.calldata())

    def total(self) -> int:
        """Base units the batch pays when every item does."""
        return sum(unpack_item(item)[1] for item in self.items)


def next_head(calldata: bytes) -> Hash:
    """The head a lane has after executing `pay` with exactly these bytes."""
    return Hash(keccak(calldata))


def read_calldata(raw: bytes) -> Batch | None:
    """The batch that a call of `pay` in the canonical encoding carries; None for other bytes."""
    words = [raw[at : at + 32] for at in range(4, len(raw), 32)]
    if raw[:4] != PAY_SELECTOR or len(words) < 9 or len(words[-1]) != 32:
        return None
    count = int.from_bytes(words[7], "big")
    if not 1 <= count <= ITEMS_PER_WORD or len(words) != 9 + 2 * count:
        return None
    try:
        batch = Batch(
            token=Address(words[0][12:]),
            lane=int.from_bytes(words[1], "big"),
            expected_head=Hash(words[2]),
            word=int.from_bytes(words[3], "big"),
            items=tuple(int.from_bytes(word, "big") for word in words[8 : 8 + count]),
            tags=tuple(word[:16] for word in words[9 + count :]),
            deadline=int.from_bytes(words[6], "big"),
        )
    except (AssertionError, Rejected):
        return None
    return batch if batch.calldata() == raw else None


def bits(mask: int) -> Iterator[int]:
    """The indexes set in a mask, rising."""
    return (index for index in range(ITEMS_PER_WORD) if mask >> index & 1)


def paid_indexes(attempted_mask: int, refused_mask: int) -> tuple[int, ...]:
    """The indexes a BatchPaid log says were paid; the k-th pairs with the k-th Transfer."""
    return tuple(bits(attempted_mask & ~refused_mask))


def _uint(value: int) -> bytes:
    return value.to_bytes(32, "big")
