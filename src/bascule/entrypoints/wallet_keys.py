"""Wallet keys as development has them: in hex, and in files that are cheap to open."""

from __future__ import annotations

from pathlib import Path

from bascule.domain.chain import Address


def wallet_of(private_key: str) -> Address:
    """The address of a private key in 0x-hex."""
    from bascule.signing.keystore import LocalKey

    return LocalKey(bytes.fromhex(private_key.removeprefix("0x"))).address


def keep_key(path: Path, password: str, private_key: str) -> None:
    """Writes a development keystore (cheap to open). Raises: KeystoreUnusable."""
    from bascule.signing.keystore import create_keystore

    create_keystore(path, password, secret=bytes.fromhex(private_key.removeprefix("0x")), rounds=2**12)
