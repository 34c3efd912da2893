"""A wallet key that lives in a key service: it never leaves there, and what comes back is checked here."""

from __future__ import annotations

from typing import Protocol, Self

from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak
from bascule.signing.der import NotOurs, point, recoverable


class KeyService(Protocol):
    """What a key service has to offer to be one: one key, whose name it knows.

    Both raise Retryable when the service is slow, busy or away, and Halted when a person has to act.
    """

    async def public_key(self) -> bytes:
        """The key's SubjectPublicKeyInfo, in DER."""
        ...

    async def sign(self, digest: bytes) -> bytes:
        """An ECDSA signature over these 32 bytes, not hashed again: DER of r and s."""
        ...


class KeyServiceLied(Halted):
    """The key service answered what its key cannot have said; nothing it said is used."""


class RemoteKey:
    """A key of a key service. Every signature is held against the wallet before it is believed."""

    def __init__(self, service: KeyService, public_key: bytes) -> None:
        self._service, self._public_key = service, public_key
        self._address = Address(keccak(public_key)[12:])

    @classmethod
    async def open(cls, service: KeyService) -> Self:
        """The key, asked for once. Raises: Retryable, Halted (not a key of Ethereum's curve, no access)."""
        try:
            return cls(service, point(await service.public_key()))
        except NotOurs as error:
            raise Halted(f"the key service's key cannot be a wallet: {error}") from None

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._address

    async def sign(self, digest: bytes) -> bytes:
        """65 bytes: r, s (low), parity. The same digest may get other bytes the next time.

        Raises: Retryable (nothing is known to be signed), Halted, KeyServiceLied.
        """
        assert len(digest) == 32, "a digest has 32 bytes"
        answer = await self._service.sign(digest)
        try:
            return recoverable(answer, digest, self._public_key)
        except NotOurs as error:
            raise KeyServiceLied(
                f"the key service's signature for wallet 0x{self._address.hex()} is refused: {error}"
            ) from None

    def __repr__(self) -> str:
        return f"RemoteKey(0x{self._address.hex()})"
