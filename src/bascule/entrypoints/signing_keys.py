"""The signer's keys, each in AWS KMS or in a keystore; each lane has one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from bascule.entrypoints.service_wallets import Name
from bascule.entrypoints.wiring import BadConfiguration, Settings
from bascule.signing.key import Key

SERVICES: tuple[Name, ...] = get_args(Name)


async def lanes(settings: Settings) -> list[Key]:
    """The lanes' keys: the one that is set, or those of a folder.

    Raises: BadConfiguration, Halted, Retryable.
    """
    folder = settings.signer_keystore
    if folder is None or not folder.is_dir() or settings.signer_kms_key_id is not None:
        return [await _open(settings, "signer")]
    from bascule.signing.keystore import open_keystore

    files = sorted(folder.glob("*.json"))
    if not files:
        raise BadConfiguration("BASCULE_SIGNER_KEYSTORE", "is a folder without a *.json file", str(folder))
    password: str = settings.need("signer_keystore_password")
    return [await open_keystore(file, password) for file in files]


async def service(settings: Settings, name: Name) -> Key | None:
    """The key of a lane that pays nobody; None where there is none. Raises: as `lanes`."""
    return await _open(settings, name) if is_set(settings, name) else None


def is_set(settings: Settings, name: Name) -> bool:
    """Whether the key of such a lane is configured here."""
    return any(getattr(settings, f"{name}_{kind}") is not None for kind in ("keystore", "kms_key_id"))


async def _open(settings: Settings, whose: str) -> Key:
    key_id: str | None = getattr(settings, f"{whose}_kms_key_id")
    if key_id is None:
        from bascule.signing.keystore import open_keystore

        path: Path = settings.need(f"{whose}_keystore")
        return await open_keystore(path, settings.need(f"{whose}_keystore_password"))
    from bascule.signing.aws_kms import open_kms_key

    if getattr(settings, f"{whose}_keystore") is not None:
        name = f"BASCULE_{whose.upper()}"
        raise BadConfiguration(
            f"{name}_KMS_KEY_ID", f"stands beside {name}_KEYSTORE; keep one of them", key_id
        )
    return await open_kms_key(key_id)
