"""What a merchant pays the platform, behind `bascule fees`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bascule.domain.errors import NotFound, Rejected
from bascule.domain.money import SCALE, Money, display_units, parse_amount
from bascule.domain.platform_fee import FeeTerms
from bascule.entrypoints import wiring
from bascule.entrypoints.wiring import Settings
from bascule.storage import accounts, audit, fees, tokens
from bascule.storage.database import Connection
from bascule.storage.fees import FeeVersion

EXAMPLE = 100 * 10**SCALE


async def charge(
    settings: Settings, account: str, currency: str, bps: int, fixed: str, effective_from: datetime | None
) -> dict[str, Any]:
    """A new version, audited. Raises: Rejected, NotFound."""
    units = 0 if fixed in ("0", "0.00") else parse_amount(fixed, currency, param="--fixed").units
    terms = FeeTerms(bps, units)
    async with wiring.owner(settings) as db, db.transaction() as conn:
        await _require_merchant(conn, account)
        if currency not in {token.currency for token in await tokens.every(conn)}:
            raise Rejected(
                "currency_unsupported", f"no token has the currency {currency}", param="--currency"
            )
        version = await fees.set_version(conn, account, currency, terms, effective_from)
        shown = {"account": account, **_shown(version)}
        await audit.append(conn, actor="cli", action="account.fee", object_id=account, details=shown)
    return shown


async def charged(settings: Settings, account: str) -> list[dict[str, Any]]:
    """All versions, those that are to come too. Raises: NotFound."""
    async with wiring.owner(settings) as db, db.read() as conn:
        await _require_merchant(conn, account)
        return [_shown(version) for version in await fees.versions_of(conn, account)]


async def _require_merchant(conn: Connection, account: str) -> None:
    found = await accounts.get(conn, account)
    if found is None or found.kind != "merchant":
        raise NotFound(
            "resource_missing", f"there is no merchant {account}", next_step="bascule merchants list"
        )


def _shown(version: FeeVersion) -> dict[str, Any]:
    terms = version.terms
    return {
        "currency": version.currency,
        "version": version.version,
        "bps": terms.bps,
        "fixed": Money(terms.fixed, version.currency).display(),
        "of_100": display_units(terms.of(EXAMPLE, SCALE, first=True).amount, SCALE),
        "effective_from": version.effective_from.isoformat(),
    }
