"""What an operator allows a merchant: how early intents may succeed, behind `bascule merchants early`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain.early import EarlyPolicy, Tier, read_level, spell
from bascule.domain.errors import NotFound
from bascule.domain.money import Money, parse_amount
from bascule.entrypoints import wiring
from bascule.entrypoints.wiring import Settings
from bascule.storage import accounts, audit, early_policies
from bascule.storage.database import Connection

_ANY = "any"  # the bound is a number of whatever currency an intent has


async def allow(settings: Settings, account: str, most: str, tiers: Sequence[str]) -> dict[str, Any]:
    """Sets what rules the account's next intents, audited. Raises: Rejected, NotFound."""
    policy = EarlyPolicy(_units(most, "--most"), [_tier(text) for text in tiers])
    shown = _shown(account, policy)
    async with wiring.owner(settings) as db, db.transaction() as conn:
        await _require(conn, account)
        await early_policies.set(conn, account, policy)
        await audit.append(conn, actor="cli", action="account.early", object_id=account, details=shown)
    return shown


async def allowed(settings: Settings, account: str) -> dict[str, Any]:
    """What rules now. Raises: NotFound."""
    async with wiring.owner(settings) as db, db.read() as conn:
        await _require(conn, account)
        return _shown(account, (await early_policies.current(conn, [account]))[account])


async def _require(conn: Connection, account: str) -> None:
    if await accounts.get(conn, account) is None:
        raise NotFound(
            "resource_missing", f"there is no account {account}", next_step="bascule merchants list"
        )


def _tier(text: str) -> Tier:
    amount, _, level = text.partition("=")
    return Tier(_units(amount, "--tier"), read_level(level, "--tier"))


def _units(text: str, param: str) -> int:
    return 0 if text in ("0", "0.00") else parse_amount(text, _ANY, param=param).units


def _shown(account: str, policy: EarlyPolicy) -> dict[str, Any]:
    tiers = [f"{Money(tier.up_to, _ANY).display()}={spell(tier.level)}" for tier in policy.tiers]
    return {"account": account, "most": Money(policy.most, _ANY).display(), "tiers": " ".join(tiers)}
