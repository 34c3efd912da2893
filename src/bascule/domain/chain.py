"""Names of things on EVM chains: addresses, hashes, networks and block references.

Inside the system addresses and hashes are bytes; text is read here, once, and written here.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NewType

from bascule.domain.errors import Rejected
from bascule.domain.hashing import keccak

Address = NewType("Address", bytes)
Hash = NewType("Hash", bytes)
ChainId = int
# Of what a chain's headers were learned to prove nothing: their blocks at all, or the blocks' receipts alone.
Unproven = Literal["blocks", "receipts"]

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash(bytes(32))

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_NETWORK = re.compile(r"eip155:([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's place in a chain. time: unix seconds, as the block's header says."""

    number: int
    hash: Hash
    parent: Hash
    time: int


def address(raw: bytes) -> Address:
    """`raw` as an address; anything but 20 bytes is our own mistake."""
    assert len(raw) == 20, f"an address has 20 bytes, not {len(raw)}"
    return Address(bytes(raw))


def hash32(raw: bytes) -> Hash:
    """`raw` as a hash; anything but 32 bytes is our own mistake."""
    assert len(raw) == 32, f"a hash has 32 bytes, not {len(raw)}"
    return Hash(bytes(raw))


def parse_address(text: object, *, param: str | None = None) -> Address:
    """The address that `text` spells; never the zero address.

    Mixed case must carry the EIP-55 checksum; all lower or all upper case carries none.
    Raises: Rejected `address_invalid` or `address_checksum_mismatch`.
    """
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise Rejected("address_invalid", "An address is 0x and 40 hexadecimal digits.", param=param)
    found = Address(bytes.fromhex(text[2:]))
    if found == ZERO_ADDRESS:
        raise Rejected("address_invalid", "The zero address is nobody's.", param=param)
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksum(found) != text:
        raise Rejected(
            "address_checksum_mismatch",
            "The address's upper and lower case letters do not match its EIP-55 checksum.",
            param=param,
            next_step="Copy the address again from its source; do not correct the letters by hand.",
        )
    return found


def _cased(byte: int, mark: int) -> str:
    digits = f"{byte:02x}"
    return "".join(d.upper() if mark & bit else d for d, bit in zip(digits, (0x80, 0x08), strict=True))


# By a byte of the hash, whose digits from 8 on ask for upper case, and the byte of the address beside it.
_CASED = [[_cased(byte, mark) for byte in range(256)] for mark in (0x00, 0x08, 0x80, 0x88)]
_CASED_BY_MARK = [_CASED[(mark >> 6 & 2) | (mark >> 3 & 1)] for mark in range(256)]


@lru_cache(maxsize=4096)
def checksum(raw: Address) -> str:
    """The address in EIP-55 mixed case."""
    marks = keccak(raw.hex().encode())
    return "0x" + "".join([_CASED_BY_MARK[mark][byte] for byte, mark in zip(raw, marks, strict=False)])


def parse_hash(text: object, *, param: str | None = None) -> Hash:
    """The 32-byte hash that `text` spells. Raises: Rejected `parameter_invalid`."""
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise Rejected("parameter_invalid", "A hash is 0x and 64 hexadecimal digits.", param=param)
    return Hash(bytes.fromhex(text[2:]))


def hex32(raw: Hash) -> str:
    """The hash as 0x and 64 lower-case digits."""
    return "0x" + raw.hex()


def caip2(chain_id: ChainId) -> str:
    """The network's CAIP-2 name, e.g. `eip155:8453`."""
    return f"eip155:{chain_id}"


def parse_network(text: object, *, param: str | None = "network") -> ChainId:
    """The chain id in a CAIP-2 name. Raises: Rejected `parameter_invalid`."""
    match = _NETWORK.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Rejected("parameter_invalid", "A network is written eip155:<chain id>.", param=param)
    return int(match[1])
