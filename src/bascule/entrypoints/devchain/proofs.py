"""eth_getProof: an account and its storage, with the trie nodes between them and the block's state root."""

from collections.abc import Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth.constants import BLANK_ROOT_HASH
from eth.rlp.accounts import Account
from trie.hexary import HexaryTrie

from bascule.domain.hashing import keccak
from bascule.entrypoints.devchain import encode
from bascule.entrypoints.devchain.evm import Evm

# geth's limit of keys in one question.
MAX_KEYS = 1_024


def proof(evm: Evm, block_hash: bytes, address: bytes, slots: Sequence[int]) -> dict[str, Any]:
    """Returns the proof in the shape of EIP-1186; what does not exist is proven to be empty."""
    state = _trie(evm, evm.header(block_hash).state_root)
    stored = state[keccak(address)]
    account = rlp.decode(stored, Account) if stored else Account()
    storage = _trie(evm, account.storage_root)
    return {
        "address": encode.address(address),
        "accountProof": _nodes(state, keccak(address)),
        "balance": hex(account.balance),
        "codeHash": encode.data(account.code_hash),
        "nonce": hex(account.nonce),
        "storageHash": encode.data(account.storage_root),
        "storageProof": [_slot(storage, slot) for slot in slots],
    }


def _slot(storage: HexaryTrie, slot: int) -> dict[str, Any]:
    key = keccak(slot.to_bytes(32, "big"))
    value = rlp.decode(storage[key], rlp.sedes.big_endian_int) if storage[key] else 0
    return {"key": hex(slot), "value": hex(value), "proof": _nodes(storage, key)}


def _trie(evm: Evm, root: bytes) -> HexaryTrie:
    return HexaryTrie(evm.chain.chaindb.db, root)


def _nodes(trie: HexaryTrie, key: bytes) -> list[str]:
    if trie.root_hash == BLANK_ROOT_HASH:
        return []
    return [encode.data(rlp.encode(node)) for node in trie.get_proof(key)]  # type: ignore[no-untyped-call]
