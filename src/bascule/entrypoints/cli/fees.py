"""`fees`: what merchants pay the platform."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from bascule.entrypoints.cli.administration import Account
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="What merchants pay.", no_args_is_help=True, rich_markup_mode=None)
    group.command("set")(set_version)
    group.command("list")(every)
    app.add_typer(group, name="fees")


def set_version(
    account: Account,
    currency: Annotated[str, typer.Option(help="The currency that it is charged in, such as usdc.")],
    bps: Annotated[int, typer.Option(help="Of what is credited, in hundredths of a per cent.")] = 0,
    fixed: Annotated[str, typer.Option(help="Once for each payment intent, such as 0.10.")] = "0.00",
    effective_from: Annotated[
        datetime | None, typer.Option("--from", help="In UTC; not before now, which is the default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A new version of a merchant's fee; what is booked before it holds keeps the old one."""
    from bascule.entrypoints import charging

    moment = None if effective_from is None else effective_from.replace(tzinfo=UTC)
    shown = asyncio.run(charging.charge(loaded_settings(), account, currency, bps, fixed, moment))
    rows([shown], as_json=as_json)


def every(account: Account, as_json: AsJson = False) -> None:
    """All versions of a merchant's fee, with what each takes of a payment of 100."""
    from bascule.entrypoints import charging

    found = asyncio.run(charging.charged(loaded_settings(), account))
    rows(found, as_json=as_json, empty="nothing is charged")
