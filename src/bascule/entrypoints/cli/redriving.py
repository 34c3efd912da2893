"""`redrive-webhooks`: events that ran out of attempts are sent again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bascule.entrypoints.cli.moments import moment
from bascule.entrypoints.cli.output import AsJson, rows, say
from bascule.entrypoints.cli.place import loaded_settings


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(name="redrive-webhooks")(redrive)


def redrive(
    since: Annotated[str, typer.Option(help="Events from this moment on; seven days ago by default.")] = "",
    endpoint: Annotated[str | None, typer.Option(help="This endpoint alone, we_….")] = None,
    account: Annotated[str | None, typer.Option(help="This account's endpoints alone, acct_….")] = None,
    enable: Annotated[bool, typer.Option("--enable", help="Those we disabled are enabled first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sends again the events that an endpoint did not take in ten attempts, each once more with ten."""
    from bascule.entrypoints import redriving

    begin = moment(since, "--since", datetime.now(UTC) - timedelta(days=7))
    work = redriving.redrive(
        loaded_settings(),
        since=begin,
        endpoint_id=endpoint,
        account_id=account,
        enable=enable,
        dry_run=dry_run,
    )
    told = asyncio.run(work)
    rows(told, as_json=as_json, empty="no endpoint has events that ran out of attempts")
    if dry_run and told and not as_json:
        say("Nothing was changed: run it again without --dry-run.")
