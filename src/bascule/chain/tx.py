"""EIP-1559 transactions as bytes: what is signed, and what is sent.

Layouts: EIP-2718 (envelope), EIP-1559 (type 2, empty access list). The hash is known before any node is.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.fees import Fees
from bascule.domain.hashing import keccak

_TYPE = b"\x02"


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Bytes ready to be sent, and the hash they will be known by."""

    raw: bytes
    hash: Hash


@dataclass(frozen=True, slots=True)
class UnsignedTx:
    """Everything a signature covers. value: wei."""

    chain_id: ChainId
    nonce: int
    to: Address
    value: int
    data: bytes
    fees: Fees

    def digest(self) -> Hash:
        """The 32 bytes the wallet's key signs."""
        return Hash(keccak(_TYPE + _rlp(self._fields())))

    def signed(self, signature: bytes) -> SignedTx:
        """The transaction with its signature: 65 bytes r, s, parity."""
        assert len(signature) == 65, "r, s, parity"
        assert signature[64] in (0, 1), "r, s, parity"
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        raw = _TYPE + _rlp([*self._fields(), _number(signature[64]), _number(r), _number(s)])
        return SignedTx(raw, Hash(keccak(raw)))

    def content(self) -> Hash:
        """What a slot is bound to for ever: to, value and data, whatever is paid for gas."""
        return Hash(keccak(self.to + self.value.to_bytes(32, "big") + self.data))

    def _fields(self) -> list[bytes | list[bytes]]:
        return [
            _number(self.chain_id),
            _number(self.nonce),
            _number(self.fees.max_priority_fee_per_gas),
            _number(self.fees.max_fee_per_gas),
            _number(self.fees.gas),
            self.to,
            _number(self.value),
            self.data,
            [],
        ]


def _rlp(item: bytes | list[bytes | list[bytes]] | list[bytes]) -> bytes:
    """Recursive length prefix, as the yellow paper's appendix B defines it."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(0x80, len(item)) + item
    inside = b"".join(_rlp(each) for each in item)
    return _prefix(0xC0, len(inside)) + inside


def _prefix(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = _number(length)
    return bytes([offset + 55 + len(size)]) + size


def _number(value: int) -> bytes:
    """RLP's spelling of a number: big-endian without leading zeros; zero is empty."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
