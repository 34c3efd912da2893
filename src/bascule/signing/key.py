"""What signs: a key that never leaves its holder, whether that is this process or a KMS."""

from __future__ import annotations

from typing import Protocol

from bascule.domain.chain import Address


class Key(Protocol):
    """One wallet's key."""

    @property
    def address(self) -> Address:
        """The wallet."""
        ...

    async def sign(self, digest: bytes) -> bytes:
        """65 bytes: r, s (the lower of the two), parity 0 or 1, over a 32-byte digest."""
        ...
