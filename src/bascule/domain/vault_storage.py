"""Where the payout vault keeps what its lanes did: storage slots, and how their words are read.

Frozen with the contract (contracts/layout.json), as evidence depends on it.
"""

from bascule.domain import vault
from bascule.domain.hashing import keccak

LANES = 4
USED = 5
_RETIRED_BIT = 160  # behind the operator's address, in the first word of a lane


def used_slot(vault_id: int) -> int:
    """The slot of the mask in which an id has its bit."""
    return _in_mapping(vault.word_of(vault_id), USED)


def lane_slot(lane: int) -> int:
    """The first slot of a lane."""
    return _in_mapping(lane, LANES)


def is_used(mask: int, vault_id: int) -> bool:
    """Whether an id was paid, refused or canceled. mask: the word at `used_slot`."""
    return bool(mask >> vault.index_of(vault_id) & 1)


def is_retired(word: int) -> bool:
    """Whether no batch of a lane can run any more. word: at `lane_slot`."""
    return bool(word >> _RETIRED_BIT & 0xFF)


def _in_mapping(key: int, mapping: int) -> int:
    return int.from_bytes(keccak(key.to_bytes(32, "big") + mapping.to_bytes(32, "big")), "big")
