"""`--wallet` of a lane that pays nobody: named, or that of the key configured here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.domain.chain import Address
    from bascule.entrypoints.service_wallets import Name
    from bascule.entrypoints.wiring import Settings


async def named_wallet(settings: Settings, named: str | None, lane: Name) -> Address:
    """The address that was named, which is that of the key where one is configured here."""
    from bascule.domain.chain import checksum, parse_address
    from bascule.entrypoints import signing_keys

    address = None if named is None else parse_address(named, param="wallet")
    key = await signing_keys.service(settings, lane)
    if key is None and address is None:
        variable = f"BASCULE_{lane.upper()}"
        raise CommandFailed(
            f"there is no {lane}'s key here to take the address of",
            f"say --wallet 0x…, or set {variable}_KEYSTORE or {variable}_KMS_KEY_ID",
            code=USAGE,
        )
    if key is not None and address not in (None, key.address):
        raise CommandFailed(
            f"--wallet is not the wallet of the {lane}'s key configured here, {checksum(key.address)}",
            "leave --wallet out, or correct the key",
            code=USAGE,
        )
    found = address if key is None else key.address
    assert found is not None, "one of the two is there"
    return found
