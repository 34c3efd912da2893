"""Deposit addresses, computed before anything is deployed at them.

salt = HMAC-SHA256(seed, epoch ‖ n); the address is the CREATE2 minimal clone that the deposit
factory makes of its implementation with that salt, the same on every EVM chain.
"""

import hmac
from collections.abc import Iterator

from bascule.domain.chain import Address
from bascule.domain.hashing import keccak

EPOCH_MAX = 2**32 - 1
NUMBER_MAX = 2**64 - 1

# ERC-1167 minimal proxy with OpenZeppelin's creation code (Clones.sol), around the implementation.
_CLONE_HEAD = bytes.fromhex("3d602d80600a3d3981f3363d3d373d3d3d363d73")
_CLONE_TAIL = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")


def salt(seed: bytes, epoch: int, n: int) -> bytes:
    """The 32-byte salt of the n-th deposit address of an epoch; nobody without the seed can guess it."""
    assert len(seed) >= 16, "a seed of at least 16 bytes"
    assert 0 <= epoch <= EPOCH_MAX, "epoch outside uint32"
    assert 0 <= n <= NUMBER_MAX, "n outside uint64"
    return hmac.digest(seed, epoch.to_bytes(4, "big") + n.to_bytes(8, "big"), "sha256")


def clone_init_code(implementation: Address) -> bytes:
    """The creation code of a minimal clone."""
    return _CLONE_HEAD + implementation + _CLONE_TAIL


def clone_address(factory: Address, implementation: Address, clone_salt: bytes) -> Address:
    """Where the factory puts the clone with this salt."""
    return create2(factory, clone_salt, keccak(clone_init_code(implementation)))


def clone_addresses(
    factory: Address, implementation: Address, seed: bytes, epoch: int, numbers: range
) -> Iterator[Address]:
    """The addresses of many numbers of an epoch, as `clone_address` gives each."""
    code_hash = keccak(clone_init_code(implementation))
    return (create2(factory, salt(seed, epoch, n), code_hash) for n in numbers)


def create2(deployer: Address, create_salt: bytes, init_code_hash: bytes) -> Address:
    """The address CREATE2 gives (EIP-1014)."""
    assert len(create_salt) == len(init_code_hash) == 32, "32 bytes each"
    return Address(keccak(b"\xff" + deployer + create_salt + init_code_hash)[12:])


def implementation_address(factory: Address) -> Address:
    """Where the factory's constructor puts the implementation: CREATE with nonce 1 (EIP-161)."""
    assert len(factory) == 20, "an address has 20 bytes"
    # RLP of [factory, 1]: a list of 22 bytes, a string of 20 bytes, the byte 1
    return Address(keccak(b"\xd6\x94" + factory + b"\x01")[12:])


def deposit_address(factory: Address, seed: bytes, epoch: int, n: int) -> Address:
    """The n-th deposit address of an epoch under this factory."""
    return clone_address(factory, implementation_address(factory), salt(seed, epoch, n))
