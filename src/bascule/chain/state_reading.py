"""Asks nodes for a contract's storage at a block, and takes only what the block's own hash proves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bascule.chain import heads, state_proof
from bascule.chain.caller import Caller
from bascule.chain.errors import RpcError, WrongShape
from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import spelled
from bascule.chain.heads import Header
from bascule.chain.hexes import data, quantity
from bascule.chain.state_proof import Storage
from bascule.chain.trie import ProofFailed
from bascule.domain.chain import Address, Hash

METHOD = "eth_getProof"


class _Slot(msgspec.Struct):
    proof: list[str]


class _Account(msgspec.Struct):
    accountProof: list[str]
    storageProof: list[_Slot]


async def read(rpc: Caller, block_hash: Hash, address: Address, slots: Sequence[int]) -> Storage | None:
    """These slots at a block; None where the chain's headers prove nothing.

    Raises: RpcError when no node keeps the block's state; WrongShape; as `Caller.call`.
    """
    header = await heads.by_hash(rpc, block_hash)
    if header is None:
        raise RpcError(method=METHOD, code=0, message=f"unknown block 0x{block_hash.hex()}")
    if header.members is None or header.receipts_root is None:
        return None
    return await rpc.checked(lambda node: _read(node, header, address, slots))


async def _read(node: Caller, header: Header, address: Address, slots: Sequence[int]) -> Storage:
    assert header.members is not None, "a sealed header has its members"
    names = [f"0x{slot:064x}" for slot in slots]
    told = await node.call_as(_Account, METHOD, "0x" + address.hex(), names, quantity(header.number))
    family = node.family or ETHEREUM
    if len(told.storageProof) != len(names):
        raise WrongShape(method=METHOD, why=f"{len(told.storageProof)} slots in answer to {len(names)}")
    branches = [each.proof for each in told.storageProof]
    found = Storage(
        family=family.name,
        header=spelled(family, header.members),
        account=[node.lower() for node in told.accountProof],
        slots={name: [part.lower() for part in branch] for name, branch in zip(names, branches, strict=True)},
    )
    try:
        root = Hash(data(found.header["stateRoot"], 32, method=METHOD))
        state_proof.words(root, address, found.account, found.slots)
    except ProofFailed as error:
        raise WrongShape(method=METHOD, why=f"storage at block {header.number}: {error}") from None
    return found


def words(found: Storage, address: Address) -> dict[int, int]:
    """The word at each slot of what `read` gave."""
    root = Hash(data(found.header["stateRoot"], 32, method=METHOD))
    return state_proof.words(root, address, found.account, found.slots)
