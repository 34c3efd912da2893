"""`explain` and `doctor`: what is, why, and what to do next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(explain)
    app.command()(doctor)


def explain(what: str, as_json: AsJson = False) -> None:
    """State, evidence and next action of an object by its id, a transaction, a slot CHAIN/WALLET/NONCE."""
    found = asyncio.run(_explain(what))
    if as_json:
        line(found)
        return
    for name, value in found.items():
        say(f"{name:<12} {value if isinstance(value, str) else json.dumps(value, indent=2, default=str)}")


async def _explain(what: str) -> dict[str, Any]:
    from bascule.entrypoints import wiring
    from bascule.entrypoints.explaining import KINDS
    from bascule.entrypoints.explaining import explain as ask

    async with wiring.database(loaded_settings(), "worker") as db, db.read() as conn:
        found = await ask(conn, what)
    if found is None:
        raise CommandFailed(
            f"{what} is neither an id ({', '.join(KINDS)}), a transaction hash nor a slot CHAIN/WALLET/NONCE",
            "copy it whole",
            code=USAGE,
        )
    return found


def doctor(as_json: AsJson = False) -> None:
    """Checks configuration, nodes, database roles, schema, keystore and clock; says what to do about each."""
    from bascule.entrypoints.doctoring import examine

    settings = loaded_settings()
    findings = asyncio.run(examine(settings))
    if as_json:
        for finding in findings:
            line(finding)
    else:
        rows([_shown(setting) for setting in settings.shown()], as_json=False)
        say("")
        rows([_told(finding) for finding in findings], as_json=False)
    if any(finding["state"] == "failed" for finding in findings):
        raise typer.Exit(1)


def _shown(setting: Any) -> Mapping[str, Any]:
    return {"setting": setting.name, "value": setting.value, "unit": setting.unit, "meaning": setting.meaning}


def _told(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "check": finding["check"],
        "state": finding["state"],
        "says": finding["says"],
        "remedy": finding["remedy"],
    }
