"""What a contract's storage holds at a block, proven under the `stateRoot` in its header (EIP-1186)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from rlp import decode  # type: ignore[import-untyped]
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from bascule.chain import trie
from bascule.chain.hexes import data
from bascule.chain.trie import ProofFailed
from bascule.domain.chain import Address, Hash
from bascule.domain.hashing import keccak

# Keys are hashes of 64 nibbles, of which a node passes one at least.
Branch = Annotated[list[str], msgspec.Meta(max_length=65)]


class Storage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Slots of one account under a header.

    family: how the chain spells the header (`families`); header: all members that its hash covers;
    account: the nodes from the state's root down to the account; slots: from the account's own root, by slot.
    """

    family: str
    header: dict[str, str]
    account: Branch
    slots: dict[str, Branch]


def words(
    root: Hash, address: Address, account: Sequence[str], slots: Mapping[str, Sequence[str]]
) -> dict[int, int]:
    """The word at each slot, as the branches prove it; 0 where nothing is stored.

    root: the block's stateRoot. Raises: ProofFailed, WrongShape.
    """
    found = trie.value_of(root, keccak(address), _nodes(account))
    members = _decoded(found) if found is not None else None
    if not isinstance(members, list) or len(members) != 4 or len(members[2]) != 32:
        raise ProofFailed("there is no such account in that block")
    return {_slot(text): _word(Hash(members[2]), _slot(text), branch) for text, branch in slots.items()}


def _slot(text: str) -> int:
    raw = data(text, 32, method="slot")
    if "0x" + raw.hex() != text:
        raise ProofFailed("a slot is not in lower case")
    return int.from_bytes(raw, "big")


def _word(root: Hash, slot: int, branch: Sequence[str]) -> int:
    value = trie.value_of(root, keccak(slot.to_bytes(32, "big")), _nodes(branch))
    word = b"" if value is None else _decoded(value)
    if not isinstance(word, bytes) or len(word) > 32:
        raise ProofFailed("a slot holds no word")
    return int.from_bytes(word, "big")


def _nodes(branch: Sequence[str]) -> list[bytes]:
    nodes = [data(node, method="branch") for node in branch]
    if ["0x" + node.hex() for node in nodes] != list(branch):
        raise ProofFailed("a branch is not in lower case")
    return nodes


def _decoded(raw: bytes) -> object:
    try:
        found: object = decode(raw)
    except (DecodingError, RecursionError) as error:
        raise ProofFailed(f"a value is not RLP: {error}") from None
    return found
