"""What only a vault's guardian or owner may do: said as a call to sign elsewhere, or sent from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from bascule.chain import vault as vault_calls
from bascule.chain.caller import Caller
from bascule.domain.chain import Address, checksum
from bascule.domain.errors import Forbidden, NotFound
from bascule.entrypoints.contracts import deploying
from bascule.entrypoints.contracts.checks import calling
from bascule.entrypoints.contracts.deployer_key import deployer_key
from bascule.services.submitter import CEILING

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

PATIENCE_S = 120.0
Role = Literal["guardian", "owner"]


async def act(
    settings: Settings, rpc: Caller, chain_id: int, vault: Address, role: Role, method: str, *args: Any,
    send: bool, told: Callable[[dict[str, Any]], None],
) -> str | None:  # fmt: skip
    """Sends the role's call with the configured deployer's key, and waits until it is mined.

    None once it is. Without `send` it says who has to send what. Raises: NotFound when nobody has the role,
    Forbidden when the key here is another's, Rejected when it cannot pay, as `Caller.call`.
    """
    holder = await vault_calls.holder(rpc, vault, role)
    if holder is None:
        raise NotFound(
            "role_empty", f"vault {checksum(vault)} has no {role}", next_step="let its owner set one"
        )
    step = calling(holder, vault, "PayoutVault", method, *args)
    if not send:
        return (
            f"the vault's {role} {checksum(holder)} sends {step.what}: to {checksum(vault)} data"
            f" 0x{step.data.hex()}; or --send, where BASCULE_DEPLOYER_KEY is its key"
        )
    key = await deployer_key(settings)
    if key.address != holder:
        raise Forbidden(
            "role_other",
            f"{checksum(key.address)} is not the {role} of vault {checksum(vault)}",
            next_step=f"use the key of {checksum(holder)}, or run it without --send and sign that call there",
        )
    plan = await deploying.price(rpc, [step], ceiling=CEILING.per_gas)
    await deploying.require_means(rpc, holder, plan)
    await deploying.carry_out(rpc, key, chain_id, plan, patience_s=PATIENCE_S, told=told)
    return None
