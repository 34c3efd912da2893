"""What the configuration of a development installation says of its contracts, as any other would say it."""

from __future__ import annotations

from typing import Any

from bascule.domain.chain import Address, checksum
from bascule.entrypoints.dev import ground


def birth() -> dict[str, Any]:
    """The `[contracts]` table: the deployer stays the owner."""
    part = ground.cast()
    return {
        "deployer": part.deployer.address,
        "treasury": part.treasury.address,
        "guardian": part.deployer.address,
        "canceller": part.canceller.address,
        "collector_delay_s": 0,
    }


def roles(laid: ground.Ground, lane_wallet: Address) -> dict[str, Any]:
    """The `contracts` table of the chain."""
    limit = {
        "token": checksum(laid.token),
        "amount_atomic": str(ground.VAULT_LIMIT),
        "window_s": ground.VAULT_WINDOW_S,
    }
    return {
        "collector": checksum(laid.collector),
        "lanes": [{"lane": ground.LANE, "operator": checksum(lane_wallet)}],
        "limits": [limit],
        "test_dollars": [{"name": ground.DOLLAR[0], "symbol": ground.DOLLAR[1]}],
    }


def standing(laid: ground.Ground) -> dict[Address, str]:
    """Each address and the contract of `abi/` that stands there."""
    return {
        laid.deposit_factory: "DepositFactory",
        laid.forwarder: "DepositForwarder",
        laid.vault: "PayoutVault",
        laid.token: "TestDollar",
    }
