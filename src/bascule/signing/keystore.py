"""A wallet key in an encrypted JSON file (Web3 Secret Storage), opened once when the signer starts.

Signatures are deterministic (RFC 6979): the same digest gets the same 65 bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.hashing import keccak


class KeystoreUnusable(Halted):
    """The keystore cannot be opened; the message says which file and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the keystore {path} cannot be opened: {why}")
        self.path = path


class LocalKey:
    """A key held in this process's memory; it never shows itself."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self._address = Address(keccak(self._key.public_key.format(compressed=False)[1:])[12:])

    @property
    def address(self) -> Address:
        """The wallet."""
        return self._address

    async def sign(self, digest: bytes) -> bytes:
        """65 bytes: r, s (low), parity; libsecp256k1 with RFC 6979 nonces."""
        assert len(digest) == 32, "a digest has 32 bytes"
        return self._key.sign_recoverable(digest, hasher=None)

    def __repr__(self) -> str:
        return f"LocalKey(0x{self._address.hex()})"


async def open_keystore(path: Path, password: str) -> LocalKey:
    """The key in the file. Raises: KeystoreUnusable in one line for each way to fail.

    Takes about a second of CPU on purpose (scrypt), in a thread of its own.
    """
    return await asyncio.to_thread(_open, path, password)


def create_keystore(
    path: Path, password: str, *, secret: bytes | None = None, rounds: int = 2**18
) -> Address:
    """Writes a new file, readable by its owner alone, and returns the wallet. An existing file is refused.

    secret: the 32-byte key; a fresh one when none is given. rounds: scrypt's n, a power of two.
    """
    from eth_keyfile.keyfile import create_keyfile_json

    key = PrivateKey(secret)
    made: dict[str, Any] = create_keyfile_json(key.secret, password.encode(), iterations=rounds)
    try:
        _write_new(path, json.dumps(made))
    except OSError as error:
        raise KeystoreUnusable(path, f"it cannot be created: {error.strerror}") from None
    return LocalKey(key.secret).address


def _write_new(path: Path, text: str) -> None:
    """The file is there wholly or not at all: half a keystore would be taken for one, and its key is lost."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)  # refuses a file that is there; a rename would replace it
    finally:
        beside.unlink(missing_ok=True)


def _open(path: Path, password: str) -> LocalKey:
    from eth_keyfile.keyfile import decode_keyfile_json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeystoreUnusable(path, f"{error.strerror}; check the path and its permissions") from None
    except ValueError:
        raise KeystoreUnusable(path, "it is not a JSON keystore") from None
    try:
        return LocalKey(decode_keyfile_json(content, password.encode()))
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise KeystoreUnusable(path, "wrong password") from None
        raise KeystoreUnusable(path, f"it is not a keystore this version reads: {error}") from None
    except (KeyError, TypeError, AttributeError, NotImplementedError):
        raise KeystoreUnusable(path, "it is not a keystore this version reads") from None
