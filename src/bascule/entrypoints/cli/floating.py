"""`float`: what each vault can pay, what waits for it, and what treasury is asked to send."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.storage.floats import Float


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(name="float")(float_)


def float_(as_json: AsJson = False) -> None:
    """What each vault holds of each token, what is wanted of it, what its rolling limit leaves."""
    rows(asyncio.run(_float()), as_json=as_json, empty="no vault has a lane yet")


async def _float() -> list[dict[str, Any]]:
    from bascule.chain import vault
    from bascule.entrypoints import wiring
    from bascule.storage import floats

    settings = loaded_settings()
    seams = wiring.Seams(settings)
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        async with db.read() as conn:
            found = await floats.every(conn, seams.clock.now())
        left = [
            await vault.available(rpcs[settings.chain(each.chain_id).id], each.vault, each.contract)
            for each in found
        ]
    return [_shown(each, limit) for each, limit in zip(found, left, strict=True)]


def _shown(each: Float, limit: int) -> dict[str, Any]:
    from bascule.domain.chain import caip2, checksum

    def plain(amount: int) -> str:
        return f"{Decimal(amount).scaleb(-each.decimals):f}"

    demand = each.standing
    hours = None if demand.runway is None else round(demand.runway.total_seconds() / 3600, 1)
    state = "none" if each.proposed is None else "seen" if each.coming else "open"
    return {
        "network": caip2(each.chain_id),
        "vault": checksum(each.vault),
        "currency": each.currency,
        "held": plain(demand.held),
        "in_flight": plain(demand.paying),
        "waiting": plain(demand.waiting),
        "limit_left": plain(limit),
        "runway_hours": hours,
        "missing": plain(demand.missing),
        "coming": plain(each.coming),
        "top_up": state,
        "proposed": plain(each.proposed or 0),
        "reason": each.reason,
    }
