"""Keccak-256 on the C backend, by name.

The automatic choice of eth_hash falls back in silence to a backend that is 8 to 80 times slower;
naming the backend turns a missing C extension into an ImportError at start-up.
"""

from eth_hash.backends.pysha3 import PySha3Backend

_BACKEND = PySha3Backend()


def keccak(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest of `data` (Ethereum's, not NIST SHA3-256)."""
    return _BACKEND.keccak256(data)
