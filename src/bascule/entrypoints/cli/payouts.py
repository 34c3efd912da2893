"""`rebroadcast`, `cancel-payout`: one payout that does not move as it should."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.watching import required

Payout = Annotated[str, typer.Argument(help="The payout, po_….")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(rebroadcast)
    app.command(name="cancel-payout")(cancel_payout)


def rebroadcast(payout: Payout, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Offers the signed bytes of a payout's batch to every node once more. Nothing is signed anew."""
    from bascule.entrypoints import operating_payouts

    found = asyncio.run(operating_payouts.rebroadcast(loaded_settings(), payout, dry_run=dry_run))
    rows(found, as_json=as_json, empty="no node may be asked now")
    if not found:
        raise typer.Exit(1)


def cancel_payout(
    payout: Payout,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit log.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Calls a payout off: at once, or at the vault while it is on its way; the chain says if in time."""
    from bascule.entrypoints import operating_payouts

    if not dry_run:
        required(reason)
    done = operating_payouts.cancel(loaded_settings(), payout, reason=reason, dry_run=dry_run)
    rows([asyncio.run(done)], as_json=as_json)
