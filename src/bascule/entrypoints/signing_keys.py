"""The signer's keys, each in AWS KMS or in a keystore."""

from __future__ import annotations

from pathlib import Path

from bascule.entrypoints.wiring import BadConfiguration, Settings
from bascule.signing.key import Key


async def lane(settings: Settings) -> Key:
    """The lane's key. Raises: BadConfiguration, Halted, Retryable."""
    return await _open(settings, "signer")


async def sweeper(settings: Settings) -> Key | None:
    """The sweeper's key; None where nothing is flushed. Raises: as `lane`."""
    if settings.sweeper_keystore is None and settings.sweeper_kms_key_id is None:
        return None
    return await _open(settings, "sweeper")


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
