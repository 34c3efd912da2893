"""EIP-712: how a message becomes the 32 bytes a key signs, by hand, so that a signer needs no library for it.

The domain binds every message to one vault on one chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bascule.domain.chain import Address, ChainId, Hash, checksum
from bascule.domain.hashing import keccak

NAME = "Bascule"
VERSION = "1"

Value = str | int | bytes | Sequence[bytes]


@dataclass(frozen=True)
class Struct:
    """A type of message: (name, type) of each field, and the types its fields are lists of, by name."""

    name: str
    fields: tuple[tuple[str, str], ...]
    parts: tuple["Struct", ...] = ()

    def hash(self, *values: Value) -> Hash:
        """The struct's 32 bytes. A list of structs is given as its `list_hash`."""
        words = [value.rjust(32, b"\0") if type(value) is bytes else _word(value) for value in values]
        return Hash(keccak(self._type_hash + b"".join(words)))

    def told(self, *values: Value) -> dict[str, Any]:
        """The same values as JSON: numbers as decimal strings, addresses with their checksum."""
        return {field: _json(value) for (field, _), value in zip(self.fields, values, strict=True)}

    @cached_property
    def _type_hash(self) -> bytes:
        return keccak("".join(each.spelled() for each in (self, *self.parts)).encode())

    def spelled(self) -> str:
        """The type as EIP-712 spells it, without its parts."""
        return f"{self.name}({','.join(f'{kind} {field}' for field, kind in self.fields)})"


_DOMAIN = Struct(
    "EIP712Domain",
    (
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
    ),
)


def list_hash(hashes: bytes) -> Hash:
    """The word of a list of structs, of the hashes of its members, joined."""
    return Hash(keccak(hashes))


def digest(
    struct_hash: Hash, chain_id: ChainId, contract: Address, name: str = NAME, version: str = VERSION
) -> Hash:
    """The 32 bytes a key signs for a message with this hash; of one of ours, unless the domain is named."""
    separator = _DOMAIN.hash(name, version, chain_id, contract)
    return Hash(keccak(b"\x19\x01" + separator + struct_hash))


def typed_data(
    struct: Struct, message: Mapping[str, Any], chain_id: ChainId, vault: Address
) -> dict[str, Any]:  # fmt: skip
    """A message as JSON for wallets (eth_signTypedData_v4)."""
    return {
        "types": {
            each.name: [{"name": field, "type": kind} for field, kind in each.fields]
            for each in (_DOMAIN, struct, *struct.parts)
        },
        "primaryType": struct.name,
        "domain": {
            "name": NAME,
            "version": VERSION,
            "chainId": chain_id,
            "verifyingContract": checksum(vault),
        },
        "message": dict(message),
    }


def _word(value: Value) -> bytes:
    """One value as its 32 bytes: numbers and addresses padded, text and lists hashed."""
    if isinstance(value, str):
        return keccak(value.encode())
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if isinstance(value, bytes):
        return value.rjust(32, b"\0")
    return keccak(b"".join(map(_word, value)))


def _json(value: Value) -> str | list[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return checksum(Address(value))
    return [checksum(Address(item)) for item in value]
