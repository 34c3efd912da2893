"""Making a wallet the canceller of a chain: the vault's, and of the lane CHAIN/canceller.

Its fees stay within the limits the signer has for the vault.
"""

from __future__ import annotations

from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain import call_off
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Conflict
from bascule.entrypoints import service_wallets
from bascule.storage import audit
from bascule.storage.database import Connection


async def require_named(rpc: Caller, vault: Address, wallet: Address) -> None:
    """The vault takes `cancel` from this wallet. Raises: Conflict."""
    named = await vault_calls.holder(rpc, vault, "canceller")
    if named != wallet:
        who = "nobody" if named is None else checksum(named)
        raise Conflict(
            "canceller_other",
            f"the canceller of vault {checksum(vault)} is {who}, not {checksum(wallet)}",
            next_step=f"let the vault's owner call setCanceller({checksum(wallet)})",
        )


async def register(conn: Connection, chain_id: int, wallet: Address, *, next_nonce: int = 0) -> bool:
    """The wallet calls payouts off; False when it did before. conn: under the owner's login.

    Raises: as `service_wallets.register`.
    """
    new = await service_wallets.register(
        conn, chain_id, wallet, name=call_off.LANE, next_nonce=next_nonce
    )  # fmt: skip
    if new:
        told = {"wallet": checksum(wallet)}
        name = str(chain_id)
        await audit.append(conn, actor="cli", action="canceller.register", object_id=name, details=told)
    return new
