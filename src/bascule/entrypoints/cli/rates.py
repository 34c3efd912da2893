"""`rates`: what the sources of rates said last."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

LOOKS_BACK = timedelta(days=1)


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command("rates")(newest)


def newest(as_json: AsJson = False) -> None:
    """What each source of rates said last, of every pair it was asked for within a day."""
    rows(asyncio.run(_newest(loaded_settings())), as_json=as_json, empty="no source was asked within a day")


async def _newest(settings: Settings) -> list[dict[str, Any]]:
    from bascule.domain.rates import spell
    from bascule.entrypoints import wiring
    from bascule.services.seams import SystemClock
    from bascule.storage import rates

    now = SystemClock().now()
    async with wiring.owner(settings) as db, db.read() as conn:
        found = await rates.newest(conn, now - LOOKS_BACK)
    return [
        {
            "pair": str(each.pair),
            "source": each.source,
            "rate": "" if each.price is None else spell(each.price),
            "refused": each.refusal or "",
            "age_s": int((now - each.as_of).total_seconds()),
            "asked_s_ago": int((now - each.asked_at).total_seconds()),
        }
        for each in found
    ]
