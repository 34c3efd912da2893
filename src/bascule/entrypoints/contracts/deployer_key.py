"""The key that deploys: read from the environment or an encrypted file, never from the command line."""

from __future__ import annotations

from bascule.entrypoints.wiring import BadConfiguration, Settings
from bascule.signing.keystore import LocalKey, open_keystore


async def deployer_key(settings: Settings) -> LocalKey:
    """The configured key. Raises: BadConfiguration when there is none, KeystoreUnusable."""
    if settings.deployer_keystore is not None:
        return await open_keystore(settings.deployer_keystore, settings.need("deployer_keystore_password"))
    try:
        return LocalKey(settings.need("deployer_key"))
    except ValueError:
        raise BadConfiguration("BASCULE_DEPLOYER_KEY", "is no private key", "openssl rand -hex 32") from None
