"""The kill switch: the signer signs nothing of what is frozen, and the bridge reserves nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.domain import stops
from bascule.domain.chain import ChainId, parse_address
from bascule.domain.errors import Rejected
from bascule.domain.ids import Prefix
from bascule.entrypoints import wiring
from bascule.entrypoints.wiring import Settings
from bascule.storage import audit, freezes, networks, signer_stops, signer_wallets, tokens
from bascule.storage.database import Connection


async def switch(
    settings: Settings, named: str, *, frozen: bool, reason: str, dry_run: bool
) -> dict[str, Any]:
    """Freezes what is named, or releases it; scope, whether that changes anything, and what it holds back.

    named: `all`, a chain by name or id, a token by its id, 0x… for a wallet of ours, or a mandate by its id.
    Raises: Rejected `freeze_unknown`.
    """
    async with wiring.owner(settings) as db, db.transaction() as conn:
        scope = await _scope(conn, named)
        standing = scope in await signer_stops.among(conn, [scope])
        changes = standing != frozen
        if changes and not dry_run:
            await _write(conn, scope, frozen=frozen, reason=reason)
        left = [row["scope"] for row in await signer_stops.standing(conn)]
    return {"scope": scope, "frozen": frozen, "changes": changes, "dry_run": dry_run, "standing": left}


async def deny(
    settings: Settings, address: str, *, denied: bool, reason: str, dry_run: bool
) -> dict[str, Any]:
    """The signer pays nothing to the address from now on, or again, whoever approved it."""
    scope = stops.destination(parse_address(address, param="address"))
    async with wiring.owner(settings) as db, db.transaction() as conn:
        changes = (scope in await signer_stops.among(conn, [scope])) != denied
        if changes and not dry_run:
            await _write(conn, scope, frozen=denied, reason=reason)
    return {"scope": scope, "denied": denied, "changes": changes, "dry_run": dry_run}


async def standing(settings: Settings) -> Sequence[dict[str, Any]]:
    """All that is frozen or denied now, as the signer knows it."""
    async with wiring.owner(settings) as db, db.read() as conn:
        return [dict(row) for row in await signer_stops.standing(conn)]


async def _write(conn: Connection, scope: str, *, frozen: bool, reason: str) -> None:
    """The signer's side, the bridge's and the audit line, in one transaction."""
    await signer_stops.set(conn, scope, stopped=frozen, reason=reason)
    await freezes.set(conn, scope, frozen=frozen, reason=reason)
    action = "freeze" if frozen else "unfreeze"
    await audit.append(conn, actor="cli", action=action, object_id=scope, details={"reason": reason})


async def _scope(conn: Connection, named: str) -> str:
    if named == stops.ALL:
        return stops.ALL
    if named.startswith(f"{Prefix.MANDATE}_"):
        return stops.mandate(named)
    if named.startswith("0x"):
        return await _wallet(conn, named)
    for network in await networks.every(conn):
        if named in (str(network.chain_id), network.name):
            return stops.chain(network.chain_id)
    for token in await tokens.every(conn):
        if named == token.id:
            return stops.token(ChainId(token.chain_id), token.contract)
    raise _unknown(f"there is nothing called {named} to freeze")


async def _wallet(conn: Connection, named: str) -> str:
    """A wallet the signer has, or one that is frozen. Any other address would hold nothing back."""
    address = parse_address(named, param="asset")
    scope = stops.wallet(address)
    if await signer_wallets.exists(conn, address) or await signer_stops.among(conn, [scope]):
        return scope
    raise _unknown(f"{named} is no wallet of the signer's, so freezing it would stop nothing")


def _unknown(message: str) -> Rejected:
    return Rejected(
        "freeze_unknown",
        message,
        next_step="all, a chain by name or id, a token tok_…, a wallet of ours 0x…, a mandate mnd_…",
    )
